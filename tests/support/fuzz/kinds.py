"""What a kind of input is to the fuzzer: good files, ways to change them, and who reads them."""

from __future__ import annotations

import random
import re
import shutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.fuzz.plain import Mutation, Random, any_of, repeated

SEED = 18


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes
    ----------
    name : what the table of outcomes calls it
    make : writes good files of the kind, and what reading needs besides, into a folder; their
        paths
    mutation : changes the contents of one of them
    read : reads a file as the rules do, with what `make` left in the folder
    weight : how many mutations it gets, beside the other kinds
    named : pattern of what a message may hold in the place of the file's name
    slow : reading loads a network, which takes seconds
    """

    name: str
    make: Callable[[Path], Sequence[Path]]
    mutation: Mutation
    read: Callable[[Path, Path], Any]
    weight: int = 1
    named: str = ""
    slow: bool = False

    def names(self, message: str, file: Path) -> bool:
        """Whether a message says which file it is about."""
        return file.name in message or bool(self.named and re.search(self.named, message))

    def mutated(self, number: int, good: Path, folder: Path) -> Path:
        """Write mutation `number` into a folder; the same for the same number, at any time.

        Parameters
        ----------
        good : folder that `make` filled
        """
        rng = random.Random(f"{SEED}/{self.name}/{number}")
        bases = sorted(path for path in good.glob("good*") if path.is_file())
        base = rng.choice(bases)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        file = folder / f"fuzzed{base.name.removeprefix('good')}"
        file.write_bytes(self.mutation(rng, base.read_bytes()))
        return file


def mixture(*weighted: tuple[int, Mutation]) -> Mutation:
    """A mutation drawn from several, some more often; once, or a few times over."""
    pool = [mutation for weight, mutation in weighted for _ in range(weight)]
    return repeated(any_of(*pool))


def once(*weighted: tuple[int, Mutation]) -> Mutation:
    """The same, never twice over: for mutations that need a file that is whole."""
    pool = [mutation for weight, mutation in weighted for _ in range(weight)]
    return any_of(*pool)


def choice(file: Path, *options: Any) -> Any:
    """One of several ways to read a file, by its contents: the same for the same mutation."""
    return options[zlib.crc32(file.read_bytes()) % len(options)]


def unchanged(_: Random, data: bytes) -> bytes:
    """No mutation, to see that a good file is read."""
    return data
