"""A script's reason to go no further, in words that say what to type."""

from __future__ import annotations

from giblet.errors import RemoteError
from giblet.remote.places import Host, Run, options
from giblet.remote.runner import Refusal

WORDS = {
    "folder": "{detail} cannot be made or written: use --folder with one that can",
    "make": "`make setup` failed, see above; another Python is --python FILE, a module --before "
    "'module load ...', a ready environment --environment FOLDER",
    "environment": "the environment lacks something, see above: install it there, or leave out "
    "--environment and have one made",
    "no_setup": "is not set up in this folder: giblet remote setup {host}",
    "no_tmux": "has neither tmux nor sbatch, and a run must outlive the login: giblet remote setup "
    "{host} says how to get one",
    "no_slurm": "has no sbatch: leave out --slurm, or give the login node of the cluster as --host",
    "running": "run {name!r} is still going: giblet remote status {run}, or giblet remote cancel "
    "{run}, or another --name",
    "elsewhere": "run {name!r} was started on {detail}, another machine of that name: use --host "
    "with that machine itself",
    "exists": "run {name!r} exists and has ended: --resume goes on with it, with the code as it is "
    "here now; or take another --name",
    "no_run": "has no run {name!r} in this folder: giblet remote status {host} lists those it has",
    "session": "a tmux session {detail} of another folder is there: take another --name",
    "check": "Snakemake would not start, see above. Nothing runs; mend it and type the same again",
    "tmux": "tmux did not start; try: ssh {machine} tmux new-session -d",
    "sbatch": "sbatch did not take the run. What your site wants (account, partition, time) goes "
    "into setup --before 'export SBATCH_ACCOUNT=...'",
    "squeue": "squeue does not answer, so whether the run is alive is not known: try again",
}


def in_words(refusal: Refusal, host: Host, run: Run | None = None) -> RemoteError:
    """The error for what a script refused."""
    text = WORDS.get(refusal.reason, "{reason} {detail}").format(
        reason=refusal.reason,
        detail=refusal.detail,
        machine=host.name,
        host=options(host),
        name=run.name if run else "",
        run=run.words() if run else "",
    )
    return RemoteError(f"{host.name}: {text}")
