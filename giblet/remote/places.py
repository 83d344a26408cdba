"""Where things are: the host, the folder of a run on it, and their copy here."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from giblet.errors import RemoteError

LOCAL = "remote"  # folder of the checkout that keeps records and fetched results


def slug(name: str) -> str:
    """A run's name as a folder and session: itself where it is plain, else told apart by a hash.

    Raises
    ------
    RemoteError
        For a name that is empty or has characters that do not print.
    """
    if not name.strip() or not name.isprintable():
        raise RemoteError(
            f"run name {name!r} is empty or has characters that do not print: --name NAME"
        )
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}", name):
        return name
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40]
    return f"{plain or 'run'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


@dataclass(frozen=True)
class Host:
    """A machine that ``ssh NAME`` reaches.

    Parameters
    ----------
    name
        As ssh takes it: an alias of ssh's configuration, or ``user@machine``.
    folder
        Of all runs there; a relative one is in the home folder.
    ssh_config
        File that ssh reads in place of its usual ones.
    """

    name: str
    folder: str = "giblet"
    ssh_config: str | None = None

    def __post_init__(self) -> None:
        # A name that begins with a hyphen would be an option of ssh, one with a colon another
        # protocol of rsync.
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._@-]*", self.name):
            raise RemoteError(
                f"host {self.name!r} is no name for ssh and rsync: give the machine a short name "
                "in ~/.ssh/config (Host NAME, HostName its address) and use --host NAME"
            )
        if not self.folder.isprintable() or self.folder.strip() in {"", "/", "~"}:
            raise RemoteError(f"folder {self.folder!r} cannot hold runs: --folder giblet, say")
        # Everything is quoted on the way, so the other machine never sees a tilde to expand.
        object.__setattr__(self, "folder", self.folder.removeprefix("~/").rstrip("/"))
        if self.folder.startswith(("~", "-")):
            raise RemoteError(
                f"folder {self.folder!r}: give it from the root (/scratch/me/giblet) or relative "
                f"to your home folder on {self.name} (giblet)"
            )


@dataclass(frozen=True)
class Run:
    """One run on a host, with a copy of the code and results of its own."""

    host: Host
    name: str

    @property
    def slug(self) -> str:
        """Its name as part of a path."""
        return slug(self.name)

    @property
    def folder(self) -> str:
        """Its folder on the host."""
        return str(PurePosixPath(self.host.folder) / "runs" / self.slug)

    @property
    def session(self) -> str:
        """Its tmux session; tmux takes dots and colons for parts of an address."""
        return "giblet-" + self.slug.replace(".", "_")

    def local(self, root: Path) -> Path:
        """Its folder in the checkout here."""
        return root / LOCAL / slug(self.host.name) / self.slug

    def words(self) -> str:
        """The options that name it on a command line."""
        return options(self.host, self.name)


def options(host: Host, name: str | None = None) -> str:
    """What to type to mean this host, and run, again."""
    from shlex import quote

    parts = [f"--host {host.name}"]
    if host.ssh_config:
        parts.append(f"--ssh-config {quote(host.ssh_config)}")
    if host.folder != Host.folder:
        parts.append(f"--folder {quote(host.folder)}")
    if name is not None:
        parts.append(f"--name {quote(name)}")
    return " ".join(parts)
