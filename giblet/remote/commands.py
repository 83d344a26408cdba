"""The commands that reach the other machine, as lists of arguments. Nothing is run here."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from giblet.remote.places import Host

SCRIPTS = Path(__file__).parent / "host"
Value = str | int | bool | None | Sequence[str]

# Never asks for a password, and says nothing about host keys: the user's settings hold.
SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=30")
# Contents decide what is sent, and what has not changed keeps its time on the host: rsync's usual
# look at times would make results stale that are not.
# No -r: a folder in the list, of another repository say, is not gone into. What arrives is the
# user's alone.
PRIVATE = "--chmod=go="
SEND = ("rsync", "-lpcz", PRIVATE, "--from0", "--files-from=-", "--ignore-missing-args")
SEND_FOLDER = ("rsync", "-rlpcz", PRIVATE, "--delete")
SEND_DATA = (
    *("rsync", "-rltz", PRIVATE, "--exclude=.git", "--relative", "--partial-dir=.rsync-partial"),
    "--out-format=%n",
)
FETCH = ("rsync", "-rltz", "--partial-dir=.rsync-partial", "--out-format=%l %n")
# Unfinished or of use to the run alone.
NOT_FETCHED = (".checkpoints/", ".partial-*", ".rsync-partial/")


@dataclass(frozen=True)
class Command:
    """Arguments of a program and what stands on its standard input.

    Parameters
    ----------
    argv
        The program and its arguments.
    script
        Text on its standard input.
    listed
        Names of files, which stand on its standard input with zeros between in place of a text.
    """

    argv: tuple[str, ...]
    script: str = ""
    listed: tuple[str, ...] = ()

    @property
    def stdin(self) -> str:
        """What stands on its standard input."""
        return "".join(f"{name}\0" for name in self.listed) or self.script

    def __str__(self) -> str:
        """What to type in a shell for the same."""
        text = shlex.join(self.argv)
        if self.listed:
            names = " \\\n  ".join(map(shlex.quote, self.listed))
            return f"printf '%s\\0' \\\n  {names} \\\n  | {text}"
        if self.script:
            end = "GIBLET"
            while f"\n{end}\n" in self.script:
                end += "_"
            return f"{text} <<'{end}'\n{self.script.rstrip()}\n{end}"
        return text


def ssh(host: Host) -> tuple[str, ...]:
    """ssh with its options, without the machine's name."""
    return (*SSH, *(("-F", host.ssh_config) if host.ssh_config else ()))


def script(host: Host, name: str, **variables: Value) -> Command:
    """A script of ``host/`` on the host's standard input, after the values it works on.

    The host's own ``bash`` reads it, whatever the login shell is; ``-l`` because modules and
    conda are set up by the profile.
    """
    body = "\n".join(
        (
            f"folder={shlex.quote(host.folder)}",
            *(assignment(key, value) for key, value in variables.items()),
            (SCRIPTS / "prelude.sh").read_text(encoding="utf-8"),
            (SCRIPTS / f"{name}.sh").read_text(encoding="utf-8"),
            # What the script starts must not read the script.
            "say begin; main </dev/null",
        )
    )
    return Command((*ssh(host), "--", host.name, "bash -l -s"), script=body + "\n")


def assignment(name: str, value: Value) -> str:
    """A shell variable, or array, that holds exactly these values."""
    if value is None or isinstance(value, bool):
        return f"{name}={'1' if value else ''}"
    if isinstance(value, str | int):
        return f"{name}={shlex.quote(str(value))}"
    return f"{name}=({' '.join(shlex.quote(part) for part in value)})"


def remote_shell(host: Host) -> tuple[str, ...]:
    """rsync's option that makes it use the same ssh.

    rsync splits the text itself: both kinds of quotes, doubled inside, no backslashes.
    """
    words = (
        part
        if part.isascii() and not set(part) & set(" '\"\t\\")
        else "'" + part.replace("'", "''") + "'"
        for part in ssh(host)
    )
    return ("-e", " ".join(words))


def address(host: Host, path: str) -> tuple[str, ...]:
    """``HOST:PATH`` for rsync, before it what keeps old versions from splitting the path."""
    # Not on every path: some rsyncs of macOS do not know the option.
    protected = ("-s",) if shlex.quote(path) != path else ()
    return (*protected, f"{host.name}:{path}")


def send_tree(host: Host, root: Path, files: Sequence[str], folder: str) -> Command:
    """Files of the checkout, and no others, into a folder of the host."""
    *protected, target = address(host, f"{folder}/")
    return Command(
        (*SEND, *remote_shell(host), *protected, f"{root}/", target), listed=tuple(files)
    )


def send_folder(host: Host, source: Path, folder: str) -> Command:
    """Everything in a folder here, into a folder of the host."""
    *protected, target = address(host, f"{folder}/")
    return Command((*SEND_FOLDER, *remote_shell(host), *protected, f"{source}/", target))


def send_data(host: Host, root: Path, paths: Sequence[str], folder: str) -> Command:
    """Named inputs of the checkout to the same place in the copy; what arrived stays."""
    *protected, target = address(host, f"{folder}/")
    sources = [f"{root}/./{path}" for path in paths]
    return Command((*SEND_DATA, *remote_shell(host), *protected, "--", *sources, target))


def fetch_record(host: Host, folder: str, target: Path) -> Command:
    """What was run, and its log."""
    *protected, source = address(host, f"{folder}/")
    only = ("--include=/record/***", "--include=/run.log", "--exclude=*")
    return Command((*FETCH, *only, *remote_shell(host), *protected, source, f"{target}/"))


def fetch_results(host: Host, folder: str, stages: Sequence[str], target: Path) -> Command:
    """Results of some stages (none: of all) and the logs; only what is new or changed."""
    *protected, source = address(host, f"{folder}/code/")
    never = [f"--exclude={pattern}" for pattern in NOT_FETCHED]
    if stages:
        kept = ["--include=/results/", "--include=/results/*/"]
        kept += [f"--include=/results/*/{literally(stage)}/***" for stage in stages]
    else:
        kept = ["--include=/results/***"]
    only = [*never, *kept, "--include=/logs/***", "--exclude=*"]
    return Command((*FETCH, *only, *remote_shell(host), *protected, source, f"{target}/"))


def literally(name: str) -> str:
    """A name in which rsync finds no wildcard."""
    return "".join("\\" + c if c in "*?[\\" else c for c in name)
