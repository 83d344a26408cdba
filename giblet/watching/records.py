"""What Snakemake prints about jobs, taken apart: its log and its dry run say it alike.

Snakemake has no output for programs that holds all of this. ``--summary`` is a table of files
that tells neither jobs nor wildcards; a logger plugin has to be installed and to be named
before a run starts, so it cannot tell about the run that a user already has. The log of a run
is always there. tests/unit/watching holds this reader against the installed Snakemake.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_TIME = re.compile(r" *\[(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})\](?: (.*))?$")
_JOB = re.compile(r"( *)(?:local)?(?:rule|checkpoint) (\w+):$")
_ERROR = re.compile(r"( *)Error in rule (\w+):$")
_GROUP = re.compile(r"Group job (.+) \(jobs in lexicogr\. order\):$")
_GROUP_ERROR = re.compile(r"Error in group (.*):$|Error in group")
_FIELD = re.compile(r"([\w-]+): ?(.*)$")
_SHOWN = re.compile(r" *Logfile .+:$")
_RULER = re.compile(r" *=+$")
_SEE_LOG = " (check log file(s) for error details)"


@dataclass
class Record:
    """One thing that was said: ``job``, ``error``, ``group`` or any other ``line``."""

    kind: str
    text: str  # the rule, the group, or the line itself
    time: float | None = None  # unix seconds of the last time stamp before it
    indented: bool = False  # within a group
    fields: dict[str, str] = field(default_factory=dict)

    def paths(self, name: str) -> list[str]:
        """A list of files, as one of the fields holds it."""
        listed = self.fields.get(name, "").removesuffix(_SEE_LOG)
        return [path for path in listed.split(", ") if path]

    @property
    def wildcards(self) -> dict[str, str]:
        """Wildcards of the job by name."""
        # A value may hold a comma; a name does not.
        pairs = re.split(r", (?=\w+=)", self.fields.get("wildcards", ""))
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def records(lines: Iterable[str]) -> Iterator[Record]:
    """Split what Snakemake printed into records, leaving out the logs of jobs that it quotes."""
    source = _Lines(lines)
    when: float | None = None
    while (line := source.next()) is not None:
        if stamp := _TIME.match(line):
            when = _unix(stamp[1])
            line = stamp[2] or ""
        if _SHOWN.match(line):
            _skip_quoted(source)
        elif head := _JOB.match(line) or _ERROR.match(line):
            kind = "error" if "Error in rule" in line else "job"
            fields = _fields(source, len(head[1]) + 4, error=kind == "error")
            yield Record(kind, head[2], when, bool(head[1]), fields)
        elif group := _GROUP.match(line):
            yield Record("group", group[1], when)
        elif _GROUP_ERROR.match(line):
            # Each of its jobs follows with a record of its own.
            while (ahead := source.peek()) and ahead.startswith(" ") and not _TIME.match(ahead):
                source.next()
        elif line.strip():
            yield Record("line", line, when)


class _Lines:
    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = iter(lines)
        self.ahead: list[str] = []

    def peek(self) -> str | None:
        if not self.ahead:
            found = next(self.lines, None)
            if found is None:
                return None
            self.ahead.append(found.rstrip("\n"))
        return self.ahead[0]

    def next(self) -> str | None:
        found = self.peek()
        self.ahead.clear()
        return found


def _fields(source: _Lines, indent: int, error: bool) -> dict[str, str]:
    """Indented ``name: value`` lines; what is indented further belongs to the one before."""
    found: dict[str, str] = {}
    while (line := source.peek()) is not None:
        # The message of an error may have lines of its own, with any indent, before the job id.
        in_message = error and "jobid" not in found and not _TIME.match(line)
        if not (line.startswith(" " * indent) or in_message):
            break
        pair = _FIELD.match(line[indent:]) if line.startswith(" " * indent) else None
        if pair:
            found[pair[1]] = pair[2]
        elif in_message and line.strip() and not line.startswith(" "):
            found["message"] = f"{found.get('message', '')} {line}"
        source.next()
    return found


def _skip_quoted(source: _Lines) -> None:
    """Pass over a quoted log between two rulers of one width; it may quote logs itself."""
    opening = source.peek()
    if opening is None or not _RULER.match(opening):
        return
    source.next()
    while (line := source.next()) is not None and line != opening:
        if _SHOWN.match(line):
            _skip_quoted(source)


def _unix(stamp: str) -> float | None:
    try:
        return time.mktime(time.strptime(stamp, "%a %b %d %H:%M:%S %Y"))
    except ValueError:
        return None
