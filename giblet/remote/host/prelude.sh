# Shared by the scripts that are sent to the host. Answers are lines of standard output: "@key
# value" and, below it, lines that begin with a space; whatever else a login prints is not ours.
umask 077
cd || exit 3
case $folder in /*) ;; *) folder=$HOME/$folder ;; esac
case ${environment:-/} in /*) ;; *) environment=$HOME/$environment ;; esac
run=$folder/runs/${slug:-}

say() { printf '@%s %s\n' "$1" "${2:-}"; }
quote_lines() { sed 's/^/ /'; }
refuse() {
    say refused "$*"
    exit 3
}

# What `setup` noted down: modules, variables, and the environment's programs on the PATH.
load_environment() {
    if [ -f "$folder/environment.sh" ]; then
        . "$folder/environment.sh"
    fi
    cd || exit 3
}

# State of the run in folder $1: never, running, ended, lost (gone without a note of how it ended)
# or elsewhere (its tmux is on another machine that goes by the same name).
look() {
    how='' where='' what='' state=never
    [ -f "$1/state/started" ] || return 0
    read -r how where what < "$1/state/started"
    state=ended
    if [ "$how" = slurm ]; then
        local mine
        mine=$(squeue --noheader --user="$(id -un)" --format=%A) || refuse squeue
        if grep -qxF -- "$what" <<< "$mine"; then state=running; fi
    elif tmux has-session -t "=$what" 2> /dev/null; then
        state=running
    elif [ ! -f "$1/state/exit" ] && [ "$where" != "$(uname -n)" ]; then
        state=elsewhere
    fi
    if [ "$state" = ended ] && [ ! -f "$1/state/exit" ]; then state=lost; fi
}

describe() {
    look "$1"
    say state "$state"
    say how "$how"
    say where "$where"
    say what "$what"
    if [ -f "$1/state/exit" ]; then say exit "$(cat "$1/state/exit")"; fi
    if [ -f "$1/state/cancelled" ]; then say cancelled yes; fi
    say record
    if [ -f "$1/record/run.json" ]; then quote_lines < "$1/record/run.json"; fi
}

# The first Python that is new enough and can make environments; `oldest` is what else there was.
find_python() {
    local candidate PATH=$PATH
    # Not the environment's own, which is what it makes.
    [ -z "${giblet_environment:-}" ] || PATH=${PATH//"$giblet_environment/bin:"/}
    found='' oldest=''
    for candidate in ${python:+"$python"} ${python:-python3.11 python3.12 python3.13 python3}; do
        command -v -- "$candidate" > /dev/null || continue
        oldest=$("$candidate" -c 'import sys; print(sys.version.split()[0])' 2> /dev/null)
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
            found=$(command -v -- "$candidate")
            return
        fi
    done
}
