"""The checkout that is sent: which commit, and what in it differs from that."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from giblet.errors import RemoteError
from giblet.remote.secrets import refuse_secrets

SUBMODULE = "160000 "
LARGEST_NEW_FILE = 1_000_000  # bytes; larger new files are named in the record, not copied into it


@dataclass(frozen=True)
class Tree:
    """State of a checkout.

    Parameters
    ----------
    root
        Its folder.
    commit, branch
        What is checked out; the branch is empty when none is.
    pushed
        Whether a branch of some remote holds the commit.
    changed
        Files that differ from the commit, as ``git status --short`` prints them.
    untracked
        New files that are not ignored.
    """

    root: Path
    commit: str
    branch: str
    pushed: bool
    changed: tuple[str, ...]
    untracked: tuple[str, ...]


def git(root: Path, *arguments: str, **environment: str) -> str:
    """Output of git in a folder.

    Raises
    ------
    RemoteError
        When git refuses, with its words.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            env={**os.environ, **environment},
            check=False,
        )
    except FileNotFoundError:
        raise RemoteError("git is not on this machine: install it, then try again") from None
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()
        raise RemoteError(f"git {' '.join(arguments)} in {root}: {words}")
    return done.stdout.decode(errors="surrogateescape")


def read_tree(folder: str | Path = ".") -> Tree:
    """State of the checkout that a folder is in.

    Raises
    ------
    RemoteError
        Outside of a git checkout of giblet.
    """
    root = Path(git(Path(folder), "rev-parse", "--show-toplevel").strip())
    if not (root / "Snakefile").exists() or not (root / "giblet" / "remote").is_dir():
        raise RemoteError(f"{root} is not a checkout of giblet: change to one and try again")
    status = git(root, "status", "--porcelain", "--untracked-files=all", "-z").split("\0")
    # A renamed file is followed by its old name, which has no state before it.
    entries = [entry for entry in status if len(entry) > 3 and entry[2] == " "]
    return Tree(
        root=root,
        commit=git(root, "rev-parse", "HEAD").strip(),
        branch=git(root, "branch", "--show-current").strip(),
        pushed=bool(git(root, "branch", "--remotes", "--contains", "HEAD").strip()),
        changed=tuple(entry for entry in entries if not entry.startswith("??")),
        untracked=tuple(entry[3:] for entry in entries if entry.startswith("??")),
    )


def refuse_unrecorded(tree: Tree) -> None:
    """Refuse code that nobody could get back from the commit alone.

    Raises
    ------
    RemoteError
        For changed or new files, or a commit that no remote has.
    """
    files = [*tree.changed, *(f"?? {path}" for path in tree.untracked)]
    if files:
        shown = "".join(f"\n  {entry}" for entry in files[:10])
        more = f"\n  and {len(files) - 10} more" if len(files) > 10 else ""
        raise RemoteError(
            f"{tree.root} differs from its commit {tree.commit[:10]}:{shown}{more}\n"
            "commit and push first, or --dirty: the differences are then recorded with the run"
        )
    if not tree.pushed:
        raise RemoteError(
            f"commit {tree.commit[:10]} of {tree.branch or 'no branch'} is on no remote of "
            f"{tree.root}: git push first, or --dirty to run it all the same"
        )


def files_to_send(tree: Tree, dirty: bool, allowed: Sequence[str] = ()) -> tuple[str, ...]:
    """Files that leave this machine: what git tracks, and new files only if `dirty`.

    Submodules and other repositories inside the checkout are not sent, nor is anything in them.

    Raises
    ------
    RemoteError
        If a file looks like a secret and is not among `allowed`.
    """
    # MODE OBJECT STAGE<tab>PATH; a file in conflict is there once for each side.
    tracked = git(tree.root, "ls-files", "-z", "--stage").split("\0")
    files = {
        entry.partition("\t")[2]: None
        for entry in tracked
        if entry and not entry.startswith(SUBMODULE)
    }
    if dirty:
        # git names a repository that it does not know by its folder.
        files.update(dict.fromkeys(path for path in tree.untracked if not path.endswith("/")))
    refuse_secrets(tree.root, files, allowed)
    return tuple(files)


def difference(tree: Tree) -> str:
    """A patch from the commit to the files as they are, new ones up to 1 MB included.

    Neither the user's index nor the object store is touched.
    """
    small = [
        path
        for path in tree.untracked
        if (tree.root / path).is_file() and (tree.root / path).stat().st_size <= LARGEST_NEW_FILE
    ]
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        own = Path(git(tree.root, "rev-parse", "--git-path", "index").strip())
        shutil.copy2(tree.root / own, index)
        environment = {"GIT_INDEX_FILE": str(index)}
        if small:
            git(tree.root, "add", "--intent-to-add", "--", *small, **environment)
        return git(tree.root, "diff", "--binary", "HEAD", **environment)
