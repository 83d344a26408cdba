"""The five things that can be asked of a host: set up, train, status, fetch, cancel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from giblet.errors import RemoteError
from giblet.remote import checks, commands, record
from giblet.remote.places import Host, Run, options
from giblet.remote.record import Launch
from giblet.remote.refusals import in_words
from giblet.remote.runner import Answer, Refusal, Runner
from giblet.remote.secrets import files_below, refuse_secrets
from giblet.remote.tree import Tree, files_to_send, read_tree, refuse_unrecorded


@dataclass(frozen=True)
class Environment:
    """Where the host's Python packages come from.

    Parameters
    ----------
    python
        Program on the host that makes the environment; None: the first that is new enough.
    ready
        Folder on the host of an environment to use as it is; None: one is made.
    before
        Shell commands that a run needs first, such as ``module load``.
    """

    python: str | None = None
    ready: str | None = None
    before: tuple[str, ...] = ()

    def is_given(self) -> bool:
        """Whether anything is to be other than it was set up before."""
        return bool(self.python or self.ready or self.before)


def setup(
    host: Host,
    environment: Environment,
    dirty: bool = False,
    allowed: Sequence[str] = (),
    dry_run: bool = False,
) -> None:
    """Look at what the host has, then make the environment of its runs from this checkout.

    Parameters
    ----------
    dirty
        Send new files, too, that git does not track yet.
    allowed
        Files to send though they look like secrets.
    """
    tree = read_tree()
    files = files_to_send(tree, dirty, allowed)
    runner = Runner(host, dry_run)
    told: dict[str, commands.Value] = {
        "python": environment.python or "",
        "before": "\n".join(environment.before),
        "environment": environment.ready or "",
        "rewrite": environment.is_given(),
    }
    try:
        answer = runner.script("probe", (), **told)
        if not dry_run:
            _report_checks(host, answer, environment)
        folder = f"{host.folder}/environment"
        runner.transfer(commands.send_tree(host, tree.root, files, folder))
        if not dry_run:
            print("environment (the first time, packages are installed: minutes)")
        runner.script("setup", ("installing", "check"), **told)
    except Refusal as refusal:
        raise in_words(refusal, host) from None
    if not dry_run:
        print(f"{host.name} is ready: giblet remote train {options(host)}")


def _report_checks(host: Host, answer: Answer, environment: Environment) -> None:
    print(f"{host.name} ({answer.get('machine')}), folder {host.folder}")
    found = checks.checks(answer, environment.ready)
    for check in found:
        print(check)
    missing = sum(check.state == checks.MISSING for check in found)
    if missing:
        raise RemoteError(
            f"{host.name}: {missing} of what giblet needs {'is' if missing == 1 else 'are'} "
            f"missing, see above; then giblet remote setup {options(host)} again"
        )


def train(
    run: Run,
    launch: Launch,
    data: Sequence[str] = (),
    dirty: bool = False,
    resume: bool = False,
    allowed: Sequence[str] = (),
    dry_run: bool = False,
) -> None:
    """Send the code, and named inputs, and start Snakemake on the host."""
    tree = read_tree()
    if not dirty:
        refuse_unrecorded(tree)
    _check_files(tree, launch, data)
    code = files_to_send(tree, dirty, allowed)
    refuse_secrets(tree.root, files_below(tree.root, data), allowed)
    runner = Runner(run.host, dry_run)
    files = record.record_files(run, tree, launch, data, code)
    kept = run.local(tree.root) / "record"
    try:
        runner.script("prepare", slug=run.slug, resume=resume, scheduler=launch.scheduler)
        if not dry_run:
            print(f"sending {tree.commit[:10]}{' and changes' if tree.changed else ''}")
            record.write_record(kept, files)
        else:
            print(f"# written to {kept}: {', '.join(files)}; arguments.sh is")
            print("".join(f"#   {line}\n" for line in files["arguments.sh"].splitlines()), end="")
        runner.transfer(commands.send_tree(run.host, tree.root, code, f"{run.folder}/code"))
        if data:
            runner.transfer(commands.send_data(run.host, tree.root, data, f"{run.folder}/code"))
        runner.transfer(commands.send_folder(run.host, kept, f"{run.folder}/record"))
        answer = runner.script("launch", live=("check",), slug=run.slug, session=run.session)
    except Refusal as refusal:
        raise in_words(refusal, run.host, run) from None
    if not dry_run:
        _say_started(run, answer)


def _check_files(tree: Tree, launch: Launch, data: Sequence[str]) -> None:
    for path in (*launch.configfiles, *data):
        inside = (tree.root / path).resolve()
        if not inside.exists():
            raise RemoteError(f"{path}: no such file in {tree.root}, from where it would be sent")
        if not inside.is_relative_to(tree.root.resolve()) or Path(path).is_absolute():
            raise RemoteError(
                f"{path} is not inside {tree.root}: only files of the checkout are sent; for "
                "others name the host's own paths in the study's tables"
            )


def _say_started(run: Run, answer: Answer) -> None:
    where, how = answer.get("where"), answer.get("started")
    print(f"run {run.name!r} goes on {where}")
    if how == "tmux":
        print(f"  watch:  ssh -t {run.host.name} tmux attach -t {run.session}")
    else:
        print(f"  job:    {how} (squeue --jobs {how})")
    for verb in ("status", "fetch", "cancel"):
        print(f"  {verb + ':':8}giblet remote {verb} {run.words()}")


def fetch(run: Run, stages: Sequence[str], root: Path, dry_run: bool = False) -> Path:
    """Bring results, logs and the record of a run; only what is new or changed.

    Returns
    -------
    folder here that has them

    Raises
    ------
    RemoteError
        When there is nothing of these stages.
    """
    runner = Runner(run.host, dry_run)
    target = run.local(root)
    try:
        answer = runner.script("inventory", slug=run.slug)
    except Refusal as refusal:
        raise in_words(refusal, run.host, run) from None
    if not dry_run:
        _refuse_nothing(run, stages, [value for key, value, _ in answer.blocks if key == "stage"])
        target.mkdir(parents=True, exist_ok=True)
    arrived: list[int] = []

    def take(line: str) -> None:
        size, _, name = line.partition(" ")
        if not name.endswith("/"):
            arrived.append(int(size) if size.isdigit() else 0)
            print(f"  {name}", flush=True)

    runner.transfer(commands.fetch_record(run.host, run.folder, target), take)
    runner.transfer(commands.fetch_results(run.host, run.folder, stages, target), take)
    if not dry_run:
        print(f"{len(arrived)} files, {sum(arrived) / 1e6:.1f} MB, new or changed, in {target}")
        for page in sorted(target.glob("results/*/validate/report/index.html")):
            print(f"report: {page}")
    return target


def _refuse_nothing(run: Run, stages: Sequence[str], there: list[str]) -> None:
    if not there:
        raise RemoteError(
            f"run {run.name!r} on {run.host.name} has no results yet: giblet remote status "
            f"{run.words()}"
        )
    if stages and not set(stages) & set(there):
        raise RemoteError(
            f"run {run.name!r} on {run.host.name} has nothing of {', '.join(stages)}: it has "
            f"{', '.join(sorted(set(there)))}; name those with --what, or --what all"
        )


def cancel(run: Run, grace_s: int, dry_run: bool = False) -> None:
    """End a run: an interrupt, after `grace_s` seconds force."""
    try:
        answer = Runner(run.host, dry_run).script("cancel", slug=run.slug, grace=grace_s)
    except Refusal as refusal:
        raise in_words(refusal, run.host, run) from None
    if dry_run:
        return
    if "forced" in answer:
        print(f"run {run.name!r} had not ended after {answer.get('waited')} s and was stopped hard")
    elif "waited" in answer:
        print(f"run {run.name!r} ended {answer.get('waited')} s after the interrupt")
    if answer.get("left"):
        raise RemoteError(
            f"{run.host.name}: processes {answer.get('left')} of the run do not end: "
            f"ssh {run.host.name} ps -fp {answer.get('left').replace(' ', ',')}"
        )
    if "already" in answer:
        print(f"run {run.name!r} on {run.host.name} was not running")
    else:
        print(f"  go on with it:  giblet remote train {run.words()} --resume")


def here() -> Path:
    """The checkout that one is in."""
    return read_tree().root
