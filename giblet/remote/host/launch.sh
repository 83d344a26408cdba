# Start a run whose code and record have arrived. Set above: slug, session.
main() {
    local started=$run/code/giblet/remote/host/run.sh id
    load_environment
    look "$run"
    [ "$state" != running ] || refuse running
    # What an earlier start of this run had sent and the code no longer has.
    if [ -f "$run/files.before" ]; then
        (cd "$run/code" && LC_ALL=C comm -z23 <(LC_ALL=C sort -zu ../files.before) <(LC_ALL=C sort -zu ../record/files) | xargs -0r rm -f --)
        rm -f -- "$run/files.before"
    fi
    say check
    bash "$started" "$run" check 2>&1 | tail -n 30 | quote_lines
    [ "${PIPESTATUS[0]}" = 0 ] || refuse check
    rm -rf -- "$run/state" && mkdir -- "$run/state" || refuse folder "$run"
    if command -v tmux > /dev/null; then
        ! tmux has-session -t "=$session" 2> /dev/null || refuse session "$session"
        echo "tmux $(uname -n) $session" > "$run/state/started"
        if ! tmux new-session -d -s "$session" -x 200 -y 50 bash -l "$started" "$run"; then
            rm -f -- "$run/state/started"
            refuse tmux
        fi
        say started tmux
    else
        id=$(sbatch --parsable --job-name="$session" --output="$run/slurm-%j.out" "$started" "$run") || refuse sbatch
        echo "slurm $(uname -n) ${id%%;*}" > "$run/state/started"
        say started "${id%%;*}"
    fi
    say where "$(uname -n)"
    say done
}
