"""Bad inputs, each written down once: what it is, what is done with it, and what is said.

The modules ``tests/unit/inputs/kind_*.py`` hold the cases, one module a kind. One test runs
all of them (``tests/unit/inputs/test_inputs.py``), and the tables of ``docs/bad-inputs.md``
are made from them::

    python -m tests.support.bad_inputs      # writes the page; a test fails while it is old
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from giblet import notices
from giblet.errors import GibletError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "unit" / "inputs"
PAGE = ROOT / "docs" / "bad-inputs.md"
START, STOP = "<!-- made by tests/support/bad_inputs.py -->", "<!-- until here -->"
OUTCOMES = ("read", "warned", "refused")


@dataclass(frozen=True)
class Case:
    """One bad input.

    Attributes
    ----------
    input : what it is, as the page says it
    outcome : ``read`` right without a word, ``warned`` of and used in part or with a guess, or
        ``refused``
    says : the message or warning, ``…`` standing for names and numbers; "" if it is read
    run : makes the input in the folder given and reads it as a rule would; asserts by itself
        that what is read is right
    """

    input: str
    outcome: str
    says: str
    run: Callable[[Path], Any]


@dataclass
class Kind:
    """A kind of bad input, and what holds of all of its inputs."""

    title: str
    law: str
    cases: list[Case] = field(default_factory=list)

    def read(self, what: str) -> Callable[[Callable[[Path], Any]], Callable[[Path], Any]]:
        """Register an input that is read right without a word."""
        return self._register(what, "read", "")

    def warned(
        self, what: str, says: str
    ) -> Callable[[Callable[[Path], Any]], Callable[[Path], Any]]:
        """Register an input that is used, with a warning."""
        return self._register(what, "warned", says)

    def refused(
        self, what: str, says: str
    ) -> Callable[[Callable[[Path], Any]], Callable[[Path], Any]]:
        """Register an input that is refused."""
        return self._register(what, "refused", says)

    def _register(
        self, what: str, outcome: str, says: str
    ) -> Callable[[Callable[[Path], Any]], Callable[[Path], Any]]:
        def keep(run: Callable[[Path], Any]) -> Callable[[Path], Any]:
            self.cases.append(Case(what, outcome, says, run))
            return run

        return keep


def happened(case: Case, folder: Path) -> tuple[str, list[str]]:
    """What became of an input, and what was said."""
    with notices.collected() as said, redirect_stderr(StringIO()):
        try:
            case.run(folder)
        except GibletError as error:
            return "refused", [str(error)]
    return ("warned" if said else "read"), said


def fits(pattern: str, message: str) -> bool:
    """Whether a message is what the page says, up to what ``…`` stands for."""
    parts = (re.escape(part) for part in pattern.split("…"))
    return re.search(".*".join(parts), message, re.DOTALL) is not None


def kinds() -> list[Kind]:
    """All kinds, in the order of the modules' names."""
    found = []
    for path in sorted(FOLDER.glob("kind_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found.append(module.KIND)
    return found


def tables() -> str:
    """The page's part that is made from the cases."""
    lines = [START]
    for kind in kinds():
        lines += [
            "",
            f"### {kind.title}",
            "",
            kind.law,
            "",
            "| input | | message |",
            "|---|---|---|",
        ]
        for case in kind.cases:
            says = f"`{case.says}`".replace("|", "\\|") if case.says else ""
            lines.append(f"| {case.input} | {case.outcome} | {says} |")
    return "\n".join([*lines, "", STOP])


def page(text: str) -> str:
    """The page with its tables made anew."""
    before, rest = text.split(START)
    return before + tables() + rest.split(STOP)[1]


if __name__ == "__main__":
    made = page(PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(made, encoding="utf-8")
    sys.stdout.write(
        f"{PAGE.relative_to(ROOT)}: {sum(len(kind.cases) for kind in kinds())} inputs\n"
    )
