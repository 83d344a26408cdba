"""What the user is told about inputs that were used, but not as they are.

A row left out, an encoding guessed, a volume that is no measurement: nothing is refused, so
nobody would look, and the numbers differ. Such things are said with :func:`warn`. A job
prints them into its log and stamps them beside its results (:mod:`giblet.jobs`,
:mod:`giblet.stamps`), from where the report takes them.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from giblet.errors import one_line


class InputWarning(UserWarning):
    """An input that is used in part, or in a way that its author should know of."""


def warn(message: str) -> None:
    """Say something of an input, once for each text.

    Parameters
    ----------
    message
        As an error's: the file, what is found, how many, what is done about it, and what to
        change if that is not what was meant.
    """
    warnings.warn(one_line(message), InputWarning, stacklevel=3)


@contextmanager
def collected(shown: bool = True) -> Iterator[list[str]]:
    """Gather the warnings of a block, and print each to standard error as one line if `shown`.

    Yields
    ------
    list of str
        Filled while the block runs: messages of :class:`InputWarning`, each once.
    """
    found: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", InputWarning)
        as_before = warnings.showwarning

        def show(message: Any, category: type[Warning], *rest: Any, **named: Any) -> None:
            if not issubclass(category, InputWarning):
                as_before(message, category, *rest, **named)
            elif str(message) not in found:
                found.append(str(message))
                if shown:
                    print(f"warning: {message}", file=sys.stderr, flush=True)

        warnings.showwarning = show
        yield found
