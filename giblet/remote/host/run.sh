#!/bin/bash -l
# One run on its host: bash -l run.sh FOLDER_OF_THE_RUN [check]. With `check`, only find out
# whether it could start. Started by `giblet remote train` in tmux or as a Slurm job.
umask 077
here=$1
. "$here/../../environment.sh"
. "$here/record/arguments.sh"
cd "$here/code" || exit 1
# The environment may belong to many runs; the library is this run's own. Jobs are known by the
# second variable when a cancelled run is cleared away.
export PYTHONPATH=$PWD GIBLET_REMOTE_RUN=$here

if [ "$scheduler" = auto ]; then
    if command -v sbatch > /dev/null; then scheduler=slurm; else scheduler=none; fi
fi
if [ "$scheduler" = slurm ]; then arguments=("${on_slurm[@]}"); else arguments=("${on_machine[@]}"); fi
# Given here, they count more than what the site's settings say.
[ -z "$gpus" ] || export GIBLET_SLURM_GPUS=$gpus
[ -z "$nodes" ] || export GIBLET_SLURM_NODES=$nodes
if [ "$scheduler" = slurm ] && [ ! -d profiles/slurm ]; then
    echo "sbatch is here, but the code has no profiles/slurm: add --no-slurm to run on this machine itself"
    exit 1
fi

if [ "${2:-}" = check ]; then
    python -m giblet.remote.environment || exit 1
    # Whoever held the lock is gone: no two runs share a folder.
    if [ -n "$(ls -A .snakemake/locks 2> /dev/null)" ]; then
        python -m snakemake "${arguments[@]}" --unlock || exit 1
    fi
    # What it would do is of no interest, why it cannot is.
    plan=$(python -m snakemake "${arguments[@]}" --dry-run --quiet 2>&1) || {
        printf '%s\n' "$plan"
        exit 1
    }
    exit 0
fi

# An interrupt is meant for Snakemake and its jobs; this shell stays to note how they end. (A
# handler, not '', which they would inherit.)
trap : INT TERM
echo "== $(date '+%Y-%m-%d %H:%M:%S') $(uname -n): snakemake ${arguments[*]}" >> "$here/run.log"
python -m snakemake "${arguments[@]}" 2>&1 | tee --ignore-interrupts --append "$here/run.log"
echo "${PIPESTATUS[0]}" > "$here/state/exit"
