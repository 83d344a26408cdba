# How runs are. Set above: slug (empty: all in short), lines, json.
main() {
    local each
    load_environment
    if [ -z "$slug" ]; then
        for each in "$folder"/runs/*/; do
            [ -d "$each" ] || continue
            say run "$(basename -- "$each")"
            describe "${each%/}"
        done
        say done
        return
    fi
    [ -d "$run" ] || refuse no_run
    say run "$slug"
    describe "$run"
    say log
    if [ -f "$run/run.log" ]; then tail -n "$lines" -- "$run/run.log" | tr -d '\r' | quote_lines; fi
    cd "$run/code" || refuse no_run
    if [ -f giblet/cli/status.py ]; then
        # Of the study that was started last, which is this run's.
        local asked=(status) ended
        [ -z "$json" ] || asked+=(--json)
        say workflow
        PYTHONPATH=$PWD python -c 'import sys; from giblet.cli.main import main; sys.exit(main(sys.argv[1:]))' \
            "${asked[@]}" 2> "$run/status.err" | quote_lines
        ended=${PIPESTATUS[0]}
        # Other numbers say how the study is doing.
        if [ "$ended" = 1 ] || [ "$ended" = 2 ]; then say workflow_failed "$(tail -n 1 "$run/status.err")"; fi
    fi
    say done
}
