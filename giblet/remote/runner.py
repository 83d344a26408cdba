"""Runs the commands that reach a host, or prints them, and says in words what went wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from giblet.errors import RemoteError
from giblet.remote import commands
from giblet.remote.commands import Command
from giblet.remote.places import Host, options

REFUSED = 3  # exit status of a script that says why in its answer

# What ssh and rsync print, and what to do about it; the first that fits is told.
SSH_TROUBLE = (
    (
        r"No space left on device|[Dd]isk quota exceeded",
        "its disk, or your quota on it, is full. Make room there, or use --folder on another disk",
    ),
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|host key .* has changed",
        "its host key is not the one this machine knows. Ask whoever runs it whether the key was "
        "renewed, and only then: ssh-keygen -R {host}, ssh {host}, and compare the fingerprint",
    ),
    (
        r"Host key verification failed|authenticity of host",
        "its host key is not known here. Log in once by hand (ssh {host}), compare the fingerprint "
        "with the one its administrators publish, and try again",
    ),
    (
        r"Permission denied|Too many authentication failures|No more authentication methods",
        "it refused your keys. `ssh {host}` must work without a password: load a key (ssh-add), or "
        "have your public key put into its authorized_keys; giblet never asks for a password. "
        "For a second factor, open a shared connection first (ControlMaster in ~/.ssh/config)",
    ),
    (
        r"Could not resolve hostname",
        "no machine of that name. Give it an entry in ~/.ssh/config (Host {host}, HostName its "
        "address), so that `ssh {host}` works",
    ),
    (
        r"Bad configuration option|terminating, \d+ bad|Can't open user config|configuration file",
        "ssh cannot read its configuration: {line}",
    ),
    (
        r"connect to host|connect failed|banner exchange|kex_exchange_identification"
        r"|Connection (closed|reset) by \S+ port",
        "it cannot be reached ({line}). Is it on, are you on its network or VPN? `ssh {host}` must "
        "work",
    ),
)
LOST = "the connection was lost ({line}). What arrived is kept: type the same command again"


@dataclass
class Answer:
    """What a script of ``host/`` printed.

    Parameters
    ----------
    blocks
        Name, value, and the lines below, in order; a name may come again.
    """

    blocks: list[tuple[str, str, list[str]]] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Take in one line; what is not the script's (a greeting at login) is dropped."""
        if line.rstrip() == "@begin":
            self.blocks.clear()
        elif line.startswith("@"):
            key, _, value = line[1:].partition(" ")
            self.blocks.append((key, value.strip(), []))
        elif line.startswith(" ") and self.blocks:
            self.blocks[-1][2].append(line[1:])

    def __contains__(self, key: str) -> bool:
        return any(name == key for name, _, _ in self.blocks)

    def get(self, key: str) -> str:
        """The last value of a name, empty where there is none."""
        return next((value for name, value, _ in reversed(self.blocks) if name == key), "")

    def lines(self, key: str) -> list[str]:
        """The lines below the last of a name."""
        return next((lines for name, _, lines in reversed(self.blocks) if name == key), [])


@dataclass(frozen=True)
class Refusal(Exception):
    """A script's own reason to go no further."""

    reason: str
    detail: str
    answer: Answer


class Runner:
    """Runs commands for one host, or with ``dry_run`` prints them and runs none."""

    def __init__(self, host: Host, dry_run: bool = False) -> None:
        self.host = host
        self.dry_run = dry_run

    def script(self, name: str, live: Sequence[str] = (), **variables: commands.Value) -> Answer:
        """Run a script of ``host/``; lines below the values named in `live` are shown as they come.

        Raises
        ------
        Refusal
            When the script says why it goes no further.
        RemoteError
            When ssh fails, or the connection breaks off.
        """
        answer = Answer()

        def take(line: str) -> None:
            answer.add(line)
            if line.startswith(" ") and answer.blocks and answer.blocks[-1][0] in live:
                print(f" {line}", flush=True)

        status, errors = self.run(commands.script(self.host, name, **variables), take)
        if self.dry_run:
            return answer
        if status == REFUSED and "refused" in answer:
            reason, _, detail = answer.get("refused").partition(" ")
            raise Refusal(reason, detail, answer)
        if status or "done" not in answer:
            raise self.trouble(errors, status)
        return answer

    def transfer(self, command: Command, take: Callable[[str], None] = print) -> None:
        """Run rsync; `take` gets the lines that it prints.

        Raises
        ------
        RemoteError
            When it fails. Files that were gone when their turn came are no failure.
        """
        status, errors = self.run(command, take)
        if status not in (0, 24):
            raise self.trouble(errors, status)

    def run(self, command: Command, take: Callable[[str], None]) -> tuple[int, str]:
        """Exit status of a command and what it printed as errors."""
        if self.dry_run:
            print(command)
            return 0, ""
        try:
            process = subprocess.Popen(
                command.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise RemoteError(
                f"{error.filename} is not on this machine: install it (apt, brew), then try again"
            ) from None
        return _follow(process, command.stdin, take)

    def trouble(self, errors: str, status: int) -> RemoteError:
        """An error in words for what ssh or rsync printed."""
        lines = [line.strip() for line in errors.splitlines() if line.strip()]
        line = next((each for each in lines if not each.startswith(("@", "*", "rsync"))), "")
        line = line or (lines[-1] if lines else f"exit status {status}")
        for pattern, advice in SSH_TROUBLE:
            found = next((each for each in lines if re.search(pattern, each)), None)
            if found is not None:
                return RemoteError(
                    f"{self.host.name}: {advice.format(host=self.host.name, line=found)}"
                )
        if re.search(r"(rsync|bash): .*(not found|No such file)", errors) and status in (12, 127):
            return RemoteError(
                f"{self.host.name}: has no {'rsync' if 'rsync' in errors else 'bash'} ({line}): "
                f"giblet remote setup {options(self.host)} says how to get what is missing"
            )
        # Of rsync: protocol errors, time-outs, a signal; of ssh: anything of its own.
        if status in (10, 12, 20, 30, 35, 255) or status < 0:
            return RemoteError(f"{self.host.name}: {LOST.format(line=line)}")
        return RemoteError(f"{self.host.name}: {line} (exit status {status})")


def _follow(
    process: subprocess.Popen[bytes], stdin: str, take: Callable[[str], None]
) -> tuple[int, str]:
    """Feed a process, hand on its lines as they come, and wait for its end."""
    import threading

    errors: list[bytes] = []
    assert process.stdout is not None
    assert process.stderr is not None
    stderr = process.stderr
    reader = threading.Thread(target=lambda: errors.append(stderr.read()))
    reader.start()
    if process.stdin is not None:
        try:
            process.stdin.write(stdin.encode(errors="surrogateescape"))
            process.stdin.close()
        except BrokenPipeError:  # ssh has given up already and says why
            pass
    try:
        for line in process.stdout:
            take(line.decode(errors="replace").rstrip("\n"))
        process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        reader.join()
        sys.stdout.flush()
    return process.returncode, b"".join(errors).decode(errors="replace")
