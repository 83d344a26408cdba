# End a run: an interrupt, as from the keyboard, then patience, then force. Set above: slug, grace.
main() {
    local pane waited=0
    [ -d "$run" ] || refuse no_run
    load_environment
    look "$run"
    case $state in
        elsewhere) refuse elsewhere "$where" ;;
        never | ended | lost)
            say already "$state"
            clear_away
            say done
            return
            ;;
    esac
    echo yes > "$run/state/cancelled"
    checkpoint
    if [ "$how" = slurm ]; then
        scancel --signal=INT --full "$what"
    else
        # The pane's process leads the group of Snakemake and its jobs.
        pane=$(tmux list-panes -s -t "=$what" -F '#{pane_pid}' | head -n 1)
        kill -INT -- "-$pane"
    fi
    while look "$run" && [ "$state" = running ] && [ "$waited" -lt "$grace" ]; do
        sleep 1
        waited=$((waited + 1))
    done
    if [ "$state" = running ]; then
        say forced "$waited"
        if [ "$how" = slurm ]; then scancel "$what"; else tmux kill-session -t "=$what"; fi
    fi
    say waited "$waited"
    clear_away
    say done
}

# Training that is told to stop writes a checkpoint first; an interrupt would not wait for that.
# (Slurm tells the trainings that are jobs of their own.)
checkpoint() {
    local each training=''
    for each in $(processes); do
        if tr '\0' ' ' 2> /dev/null < "/proc/$each/cmdline" | grep -q '[.]train_network[.]py'; then
            training="$training $each"
        fi
    done
    kill -USR1 $training 2> /dev/null
    for each in $training; do
        while kill -0 "$each" 2> /dev/null && [ "$waited" -lt "$grace" ]; do
            sleep 1
            waited=$((waited + 1))
        done
    done
}

# Processes of the run that outlived it, wherever they have put themselves, and its Slurm jobs.
clear_away() {
    local signal left
    for signal in TERM TERM KILL; do
        left=$(processes)
        [ -n "$left" ] || break
        kill "-$signal" $left 2> /dev/null
        sleep 2
    done
    if command -v squeue > /dev/null; then
        left=$(squeue --noheader --user="$(id -un)" --format='%A %Z' 2> /dev/null \
            | awk -v folder="$run/code" '{id = $1; sub(/^[^ ]+ /, ""); if ($0 == folder) print id}')
        [ -z "$left" ] || scancel $left
    fi
    left=$(processes)
    [ -z "$left" ] || say left "$(echo $left)"
}

processes() {
    local each
    for each in /proc/[0-9]*; do
        if [ -O "$each" ] && tr '\0' '\n' 2> /dev/null < "$each/environ" | grep -qxF -- "GIBLET_REMOTE_RUN=$run"; then
            printf '%s\n' "${each#/proc/}"
        fi
    done
}
