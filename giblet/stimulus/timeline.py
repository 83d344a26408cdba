"""A film's clock and what is wrong with its stamps, known before anything is decoded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.format import Flags

from giblet import notices
from giblet.errors import MediaError
from giblet.stimulus.clock import BrokenStamps, Clock, make_clock
from giblet.stimulus.container import opened, refuse_unstamped, stated_end_s, streams_of
from giblet.stimulus.gaps import Trouble, troubles
from giblet.stimulus.tracks import Scan, scan

CUT_TOLERANCE_S = Fraction(1)
DAMAGED = "stimulus/damaged"
CONVERT = "convert it again from its source, or to mp4 or mkv"


@dataclass(frozen=True)
class Timeline:
    """When a film's packets are played, and how far they reach.

    Attributes
    ----------
    stated_end_s : film time at which the header says the film ends, where a header says so
    troubles : what is missing or contradictory, in order of time
    """

    path: Path
    clock: Clock
    scan: Scan
    stated_end_s: Fraction | None
    troubles: tuple[Trouble, ...]

    def complain(self, time_s: Fraction | None, reason: str, damaged: str) -> None:
        """Refuse a film that breaks at a time, or warn of it."""
        stated = self.stated_end_s
        where = "near its start" if time_s is None else f"at {float(time_s):.3f} s"
        length = "" if stated is None else f" of {float(stated):.3f} s"
        what = f"{self.path}: the film breaks off or is damaged {where}{length} ({reason})"
        if damaged == "error":
            raise MediaError(
                f"{what}: copy it again, or set {DAMAGED} to 'partial' to go on without what is "
                "missing"
            )
        notices.warn(f"{what}; what is missing is left out")

    def complain_if_cut(self, damaged: str) -> None:
        """Refuse, or warn of, a film that ends before its header says so."""
        reached = self.scan.reached_s
        reached_s = max((reached or Fraction(0)) - self.clock.zero_s, Fraction(0))
        if self.scan.fault:
            self.complain(reached_s, self.scan.fault, damaged)
            return
        stated = self.stated_end_s
        if self.scan.complete and stated is not None and stated - reached_s > CUT_TOLERANCE_S:
            self.complain(reached_s, "the file is cut short", damaged)


# That of the film read last, by its path, size and time of change.
_LAST: dict[tuple[str, int, int], Timeline] = {}


def read_timeline(path: Path, until_s: Fraction | None = None) -> Timeline:
    """Read a film's stamps, to the end or somewhat beyond `until_s` of film time.

    What is wrong with them until then is said.

    Raises
    ------
    MediaError
        If the file is no film, or has time stamps that no one clock explains.
    """
    line = _read(path, until_s)
    told = [trouble for trouble in line.troubles if until_s is None or trouble.at_s < until_s]
    for trouble in told:
        if trouble.fatal:
            raise MediaError(f"{path}: {trouble.text}: {CONVERT}")
    for trouble in told:
        notices.warn(f"{path}: {trouble.text}; if that is not how it was shown, {CONVERT}")
    return line


def _read(path: Path, until_s: Fraction | None) -> Timeline:
    """A film's timeline; the last one is kept, for a run whose length it gave."""
    key = _version(path)
    kept = _LAST.get(key) if key else None
    if kept is not None and kept.scan.complete:
        return kept
    with opened(path) as container:
        streams = [stream for stream in streams_of(path, container) if stream is not None]
        found = scan(container, streams, until_s)
        refuse_unstamped(path, container, streams, found)
        starts = [
            stream.start_time * Fraction(stream.time_base)
            for stream in streams
            if stream.start_time is not None
        ]
        start_s = min(starts) if starts else Fraction(container.start_time or 0, av.time_base)
        discontinuous = Flags.ts_discont in Flags(container.format.flags)
        try:
            clock = make_clock(found.tracks, start_s, discontinuous)
        except BrokenStamps as broken:
            at_s = max(broken.at_s - float(start_s), 0)
            raise MediaError(f"{path}: at {at_s:.3f} s {broken}: {CONVERT}") from broken
        stated = stated_end_s(container, clock)
    line = Timeline(path, clock, found, stated, tuple(troubles(clock, stated, found.complete)))
    _LAST.clear()
    if key:
        _LAST[key] = line
    return line


def _version(path: Path) -> tuple[str, int, int] | None:
    try:
        version = os.stat(path)
    except OSError:
        return None
    return str(path), version.st_size, version.st_mtime_ns
