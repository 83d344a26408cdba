# Room for a run, if it may start. Set above: slug, resume, scheduler.
main() {
    [ -f "$folder/environment.sh" ] || refuse no_setup
    load_environment
    look "$run"
    case $state in
        running | elsewhere) refuse "$state" "$where" ;;
        ended | lost) [ -n "$resume" ] || refuse exists ;;
    esac
    command -v tmux > /dev/null || command -v sbatch > /dev/null || refuse no_tmux
    [ "$scheduler" != slurm ] || command -v sbatch > /dev/null || refuse no_slurm
    mkdir -p -- "$run/code" "$run/record" || refuse folder "$run"
    if [ -f "$run/record/files" ]; then
        # Added to: a start may have been broken off before it cleared away what it should.
        cat -- "$run/record/files" >> "$run/files.before" || refuse folder "$run"
    fi
    say done
}
