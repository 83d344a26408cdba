"""Runs that show the same seconds of film, split alike.

What trains in one run must not test in another, nor stand within the gap of it: a TR's BOLD also
answers what was shown before. So every TR knows the splits that its seconds of film are in, here
or in a run that was planned before it (its *content*), and is used only if all content within
`gap_trs` of it, in its own run, is of its own split.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from giblet.align.layout import CODES
from giblet.timing import Exact, as_fraction

GAP = CODES["gap"]
USED = tuple(code for code in CODES.values() if code != GAP)
# Overlaps shorter than this are rounding errors of sums of seconds.
EPSILON_S = 1e-6
# A run is not a repeat of itself when it is shown this little later.
SAME_S = 0.5
MOST_COMPLETED = 300
# TRs of a run, and for each the TRs (run, number) that show some of the same seconds.
Links = Mapping[str, Mapping[int, frozenset[tuple[str, int]]]]


@dataclass(frozen=True)
class Common:
    """Seconds of film that two runs share, or one run shows twice.

    Attributes
    ----------
    first, second : names of the runs, the same for a repeat within a run
    start_s, stop_s : scanner time in the first run
    later_s : how much later the second run shows it; negative for earlier
    within_s : how far `later_s` can be off
    why : how that is known: ``the same film file``, ``the same pictures``, ``the same sound``
    """

    first: str
    second: str
    start_s: float
    stop_s: float
    later_s: float
    within_s: float = 0.0
    why: str = "the same pictures"


def completed(common: Sequence[Common]) -> list[Common]:
    """With what follows from them: what A shares with B, and B with C, A shares with C.

    Beyond `MOST_COMPLETED` stretches, as of one opening before hundreds of films, all pairs were
    found already and nothing is added.
    """
    found = list(common)
    new = found
    while new and len(found) <= MOST_COMPLETED:
        known = [way for one in found for way in (one, _turned(one))]
        starting: dict[str, list[Common]] = defaultdict(list)
        for way in known:
            starting[way.first].append(way)
        new = []
        for way in tuple(known):
            for onward in starting[way.second]:
                joined = _joined(way, onward)
                if joined is not None and not _covered(joined, known):
                    new.append(joined)
                    known += [joined, _turned(joined)]
        found += new
    return found


def _turned(one: Common) -> Common:
    """The same stretch, told from the second run."""
    start_s, stop_s = one.start_s + one.later_s, one.stop_s + one.later_s
    return replace(
        one,
        first=one.second,
        second=one.first,
        start_s=start_s,
        stop_s=stop_s,
        later_s=-one.later_s,
    )


def _joined(one: Common, two: Common) -> Common | None:
    """Stretch of the first run of `one` that the second run of `two` shows, if there is one."""
    start_s = max(one.start_s, two.start_s - one.later_s)
    stop_s = min(one.stop_s, two.stop_s - one.later_s)
    later_s = one.later_s + two.later_s
    itself = one.first == two.second and abs(later_s) < SAME_S
    if stop_s - start_s <= EPSILON_S or itself:
        return None
    within_s = one.within_s + two.within_s
    return Common(one.first, two.second, start_s, stop_s, later_s, within_s, one.why)


def _covered(one: Common, by: Sequence[Common]) -> bool:
    """Whether stretches of the same runs at the same lag say it already."""
    left = [(one.start_s, one.stop_s)]
    for two in by:
        if (two.first, two.second) != (one.first, one.second):
            continue
        if abs(two.later_s - one.later_s) > max(EPSILON_S, two.within_s + one.within_s):
            continue
        parts = []
        for start, stop in left:
            parts += [(start, min(stop, two.start_s)), (max(start, two.stop_s), stop)]
        left = [(start, stop) for start, stop in parts if stop - start > EPSILON_S]
    return sum(stop - start for start, stop in left) <= 2 * one.within_s + EPSILON_S


def linked(common: Iterable[Common], lengths: Mapping[str, int], tr_s: Exact) -> Links:
    """TRs of each run that show some of the same seconds as other TRs, both ways."""
    tr = float(as_fraction(tr_s))
    found: dict[str, dict[int, set[tuple[str, int]]]] = defaultdict(lambda: defaultdict(set))
    for one in common:
        begin = max(0, floor(one.start_s / tr + EPSILON_S))
        end = min(lengths[one.first], ceil(one.stop_s / tr - EPSILON_S))
        for here in range(begin, end):
            start = max(one.start_s, here * tr) + one.later_s - one.within_s
            stop = min(one.stop_s, (here + 1) * tr) + one.later_s + one.within_s
            there = range(
                max(0, floor((start + EPSILON_S) / tr)),
                min(lengths[one.second], ceil((stop - EPSILON_S) / tr)),
            )
            for other in there:
                if (one.first, here) != (one.second, other):
                    found[one.first][here].add((one.second, other))
                    found[one.second][other].add((one.first, here))
    return {
        run: {tr: frozenset(others) for tr, others in by_tr.items()} for run, by_tr in found.items()
    }


class Plan:
    """Splits of the runs planned so far, and the splits that their seconds of film are in.

    Parameters
    ----------
    links : see :func:`linked`
    gap_trs : TRs between different splits that are used for nothing
    """

    def __init__(self, links: Links, gap_trs: int) -> None:
        self.links = links
        self.gap_trs = gap_trs
        self.codes: dict[str, NDArray[np.int8]] = {}
        # A bit for each split code, [n_trs] of each run.
        self.content: dict[str, NDArray[np.int8]] = {}

    def earlier(self, run: str, n_trs: int) -> dict[int, list[tuple[str, int]]]:
        """TRs that show what was shown before, in a planned run or earlier in this one."""
        found = {}
        for tr, others in sorted(self.links.get(run, {}).items()):
            before = [
                (name, other)
                for name, other in others
                if (name == run and other < tr) or (name != run and name in self.codes)
            ]
            if before and tr < n_trs:
                found[tr] = before
        return found

    def add(
        self,
        run: str,
        planned: NDArray[np.int8],
        valid: NDArray[np.bool_],
        allowed: Sequence[int] = USED,
    ) -> None:
        """Take a run in: what was shown before is split as it was, the rest as planned.

        Parameters
        ----------
        planned : array of shape (n_trs,); split codes of the TRs that show something new
        valid : array of the same shape; TRs that can be used at all
        allowed : codes that the run may hold; what was shown before in another is left out
        """
        before = self.earlier(run, len(planned))
        shared = np.zeros(len(planned), bool)
        shared[list(before)] = True
        own = np.where(shared, GAP, planned).astype(np.int8)
        while True:
            content = np.where(own == GAP, 0, 1 << np.maximum(own, 0)).astype(np.int8)
            self.content[run] = content
            agreed = self._agreed(before, content)
            wrong = (own != GAP) & self._conflict(own, np.where(shared, content, 0))
            if not wrong.any():
                break
            own[wrong] = GAP
        codes = np.where(shared, agreed, own).astype(np.int8)
        codes[self._conflict(codes, content) | ~valid | ~np.isin(codes, allowed)] = GAP
        self.codes[run] = codes

    def repeat(self, run: str, first: str, valid: NDArray[np.bool_]) -> None:
        """Take in a run that shows what an earlier one showed, from the same moment."""
        n = min(len(valid), len(self.codes[first]))
        self.codes[run] = np.full(len(valid), GAP, np.int8)
        self.content[run] = np.zeros(len(valid), np.int8)
        self.codes[run][:n] = np.where(valid[:n], self.codes[first][:n], GAP)
        self.content[run][:n] = self.content[first][:n]

    def _agreed(
        self, before: Mapping[int, list[tuple[str, int]]], content: NDArray[np.int8]
    ) -> NDArray[np.int8]:
        """Code that all earlier showings of a TR's seconds agree on, else gap; fills `content`."""
        agreed = np.full(len(content), GAP, np.int8)
        single = {1 << code: code for code in USED}
        for tr, sources in before.items():
            found = {int(self.content[run][other]) for run, other in sources}
            content[tr] = np.bitwise_or.reduce(list(found))
            if len(found) == 1:
                agreed[tr] = single.get(found.pop(), GAP)
        return agreed

    def _conflict(self, codes: NDArray[np.int8], content: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Used TRs within whose gap film is shown that is in another split."""
        wrong = np.zeros(len(codes), bool)
        for code in USED:
            near = _widened((content & ~(1 << code)) != 0, self.gap_trs)
            wrong |= (codes == code) & near
        return wrong


def _widened(there: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Places within `by` of a True one."""
    sums = np.concatenate([[0], np.cumsum(there)])
    place = np.arange(len(there))
    widened: NDArray[np.bool_] = (
        sums[np.minimum(place + by + 1, len(there))] > sums[np.maximum(place - by, 0)]
    )
    return widened


def told(common: Sequence[Common], run: str, order: Sequence[str]) -> str:
    """What a run shows of the runs planned before it, in words; the first of each stretch."""
    before = set(order[: order.index(run)])
    parts: list[tuple[float, float, str]] = []
    for one in common:
        if one.second == run and (one.first in before or one.first == run):
            mine = (one.start_s + one.later_s, one.stop_s + one.later_s)
            other, theirs = one.first, (one.start_s, one.stop_s)
        elif one.first == run and one.second in before:
            mine = (one.start_s, one.stop_s)
            other, theirs = one.second, (one.start_s + one.later_s, one.stop_s + one.later_s)
        else:
            continue
        # Of a film that many runs show, the first one says it.
        if any(a - 5 <= mine[0] and mine[1] <= b + 5 for a, b, _ in parts):
            continue
        where = "it showed itself" if other == run else f"{other} shows"
        parts.append(
            (
                *mine,
                f"from {mine[0]:.1f} to {mine[1]:.1f} s what {where} from {theirs[0]:.1f} to "
                f"{theirs[1]:.1f} s ({one.why})",
            )
        )
    words = [text for _, _, text in sorted(parts)]
    more = f", and {len(words) - 3} more" if len(words) > 3 else ""
    return f"{run} shows " + ", ".join(words[:3]) + more
