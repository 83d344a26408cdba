"""Seconds that two runs, or two parts of one run, have in common.

Directions of change (:mod:`giblet.align.signature`) are compared at every lag. Where the same
film runs, those at one lag agree one after the other; a single agreement says little, because
films have millions of pairs of moments. As in the search for similar sequences (Altschul et al.
1990, J. Mol. Biol. 215:403), each agreement counts by how rare it is: minus the logarithm of the
share of moments in the study that agree with it. Disagreements and time without movement count
against. A stretch whose sum is beyond what chance gives anywhere in the study is shared.

What repeats itself within `PATTERN_S` (a reversing checkerboard, a flicker) is a pattern and says
nothing, nor do the few pictures of a block design, each of which agrees with many others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from giblet.align.signature import Movement, Track, movements

# Cosine from which two changes agree: of pairs of changes in different films 1 in 500 does, of
# those of one film sampled and compressed differently nine in ten do.
AGREE = {"video": 0.45, "audio": 0.7}
# Repeats at a shorter distance are a pattern, not a film shown again.
PATTERN_S = 8.0
NEARBY_S = 1.5
# Shortest stretch that counts.
SHORTEST_S = 6.0
DISAGREES, STANDS_STILL_PER_S = -2.0, -0.3
# A stretch ends where its sum has fallen this far.
DROP = 20.0
# Beyond the logarithm of the number of pairs of moments: one false stretch in 20,000 studies.
MARGIN = 20.0
# Correlation that the pictures themselves have to have over a stretch, and the largest
# difference in grey levels at which still pictures count as the same.
PICTURES_AGREE = 0.5
SAME_STILL = 8.0
ROWS = 512
# News in the agreements at one lag, in so many compared pictures, that makes it worth a look.
CLUSTER, CLUSTER_ROWS = 2.5, 32
# Lags so close are one stretch.
NEIGHBOUR_S = 1.5


@dataclass(frozen=True)
class Stretch:
    """Time that run `first` and run `second` have in common.

    Attributes
    ----------
    first, second : places of the runs; the same for a repeat within a run
    start_s, stop_s : scanner time in the first run
    later_s : seconds that the second run shows it later; negative for earlier
    within_s : how far `later_s` can be off
    """

    first: int
    second: int
    start_s: float
    stop_s: float
    later_s: float
    within_s: float
    score: float = 0.0


def common_stretches(tracks: Sequence[Track], pairs: Sequence[tuple[int, int]]) -> list[Stretch]:
    """Stretches that pairs of runs share; a run paired with itself is looked through for repeats.

    Parameters
    ----------
    tracks : of all runs, with one spacing
    pairs : places in `tracks`, the earlier first
    """
    runs = movements(tracks) if tracks else []
    census = _Census(runs)
    candidates = [(a, b, census.candidates(a, b)) for a, b in pairs]
    census.close()
    threshold = np.log(max(census.n_compared, 1)) + MARGIN
    found: list[Stretch] = []
    for a, b, lags in candidates:
        here: list[Stretch] = []
        for lag in lags:
            here += _stretches(runs[a], runs[b], (a, b), int(lag), census, threshold)
        found += _distinct(here)
    return found


class _Census:
    """Which changes agree with which, and how rare that is for each of them."""

    def __init__(self, runs: Sequence[Movement]) -> None:
        self.runs = runs
        self.n_compared = 0
        self.agreed = [np.zeros(len(run.moving)) for run in runs]
        self.tried = [np.zeros(len(run.moving)) for run in runs]
        self.pattern = [_is_pattern(run) for run in runs]
        self.news = [_news(run) for run in runs]
        self.rarity: list[NDArray[np.float64]] = []

    def candidates(self, a: int, b: int) -> NDArray[np.int64]:
        """Lags, in pictures, at which several changes of two runs agree close to each other."""
        first, second = self.runs[a], self.runs[b]
        stride = first.track.stride
        nearest = round(PATTERN_S / first.track.spacing_s) if a == b else None
        # Columns are all pictures, rows one in `stride`: lags are then found to one picture.
        rows = np.flatnonzero(first.moving & ~self.pattern[a])
        rows = rows[rows % stride == 0]
        columns = np.flatnonzero(second.moving & ~self.pattern[b])
        row, column = _agreeing(first, second, rows, columns)
        if nearest is not None:
            later = column - row >= nearest
            row, column = row[later], column[later]
        self.n_compared += len(rows) * len(columns)
        for place, mine in ((a, row), (b, column)):
            self.agreed[place] += np.bincount(mine, minlength=len(self.agreed[place]))
        self.tried[a][rows] += len(columns)
        self.tried[b][columns] += len(rows)
        return _clustered(row, column - row, self.news[a][row], stride)

    def close(self) -> None:
        """Work out `rarity` of each change, when all candidates are found.

        It is minus the logarithm of the share of moments that a change agrees with, 0 for patterns.
        """
        for tried, agreed, pattern in zip(self.tried, self.agreed, self.pattern, strict=True):
            share = np.maximum(agreed, 1) / np.maximum(tried, 1)
            self.rarity.append(np.where(pattern, 0, -np.log(np.minimum(share, 1))))


def _is_pattern(run: Movement) -> NDArray[np.bool_]:
    """Changes that come again within `PATTERN_S`, before or after."""
    spacing, n = run.track.spacing_s, len(run.moving)
    counts = np.zeros(n, np.int64)
    for lag in range(max(1, round(NEARBY_S / spacing)), round(PATTERN_S / spacing)):
        if lag >= n:
            break
        agree = np.einsum("td,td->t", run.direction[:-lag], run.direction[lag:])
        agree = agree >= AGREE[run.track.kind]
        counts[:-lag] += agree
        counts[lag:] += agree
    return counts >= 2


def _news(run: Movement) -> NDArray[np.float64]:
    """How new each change is: a slow one goes on in its direction, and is hardly news."""
    stride = run.track.stride
    news = np.ones(len(run.moving))
    before = np.einsum("td,td->t", run.direction[stride:], run.direction[:-stride])
    news[stride:] -= np.clip(before, 0, 1)
    return news


def _agreeing(
    first: Movement, second: Movement, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of pictures, of those asked for, in which the same moves."""
    others = second.direction[columns].T
    found_rows, found_columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        cosine = first.direction[part] @ others
        # Much faster than nonzero over two axes.
        row, column = np.divmod(
            np.flatnonzero(cosine >= AGREE[first.track.kind]), max(1, len(columns))
        )
        found_rows.append(part[row])
        found_columns.append(columns[column])
    return np.concatenate(found_rows), np.concatenate(found_columns)


def _clustered(
    row: NDArray[np.int64],
    lag: NDArray[np.int64],
    news: NDArray[np.float64],
    stride: int,
) -> NDArray[np.int64]:
    """Lags whose agreements within `CLUSTER_ROWS` compared pictures are news enough."""
    if not len(row):
        return row
    lowest, n_blocks = int(lag.min()), int(row.max()) // stride // CLUSTER_ROWS + 2
    found = []
    for shift in (0, CLUSTER_ROWS // 2):
        block = (row // stride + shift) // CLUSTER_ROWS
        keys, which = np.unique((lag - lowest) * n_blocks + block, return_inverse=True)
        found.append(keys[np.bincount(which, news) >= CLUSTER] // n_blocks + lowest)
    return np.unique(np.concatenate(found))


def _stretches(
    first: Movement,
    second: Movement,
    pair: tuple[int, int],
    lag: int,
    census: _Census,
    threshold: float,
) -> list[Stretch]:
    """Stretches at one lag, in pictures, whose scores add up to the threshold."""
    stride, spacing = first.track.stride, first.track.spacing_s
    at = np.arange(-(-max(0, -lag) // stride) * stride, len(first.moving), stride)
    at = at[at + lag < len(second.moving)]
    scores, agree = _scores(first, second, pair, at, lag, census)
    found = []
    for begin, end, score in _peaks(scores, float(threshold)):
        begin, end = _with_stills(first, second, at, lag, begin, end)
        start_s = float(at[begin]) * spacing
        stop_s = float(at[end - 1] + first.track.span) * spacing
        inside = at[begin:end][agree[begin:end]]
        same = first.track.kind != "video" or _alike(
            first.boxes[inside], second.boxes[inside + lag]
        )
        if stop_s - start_s >= SHORTEST_S and same:
            found.append(Stretch(*pair, start_s, stop_s, lag * spacing, spacing, score))
    return found


def _scores(
    first: Movement,
    second: Movement,
    pair: tuple[int, int],
    at: NDArray[np.int64],
    lag: int,
    census: _Census,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What each compared picture says for or against one lag, and which ones agree."""
    one, two = first.direction[at], second.direction[at + lag]
    cosine = np.einsum("td,td->t", one, two)
    agree = cosine >= AGREE[first.track.kind]
    rarity = np.minimum(census.rarity[pair[0]][at], census.rarity[pair[1]][at + lag])
    tells = ~(census.pattern[pair[0]][at] | census.pattern[pair[1]][at + lag])
    moves = (first.moving[at] | second.moving[at + lag]) & tells
    against = np.where(moves, DISAGREES, 0) + STANDS_STILL_PER_S * _step_s(first.track)
    scores = np.where(agree & tells, rarity * census.news[pair[0]][at], against)
    scores[~(first.whole[at] & second.whole[at + lag])] = -2 * DROP
    return scores, agree


def _step_s(track: Track) -> float:
    return track.stride * track.spacing_s


def _peaks(scores: NDArray[np.float64], threshold: float) -> Iterator[tuple[int, int, float]]:
    """Ranges of the largest sums, each until it has fallen by `DROP`, that reach the threshold."""
    sums = np.concatenate([[0.0], np.cumsum(scores)])
    if np.max(sums - np.minimum.accumulate(sums)) < threshold:
        return
    total = best = 0.0
    begin = best_begin = best_end = 0
    for place, score in enumerate([*scores.tolist(), -np.inf]):
        total += score
        if total > best:
            best, best_begin, best_end = total, begin, place + 1
        if total <= 0 or total < best - DROP:
            if best >= threshold:
                yield best_begin, best_end, best
            total = best = 0.0
            begin = place + 1


def _with_stills(
    first: Movement, second: Movement, at: NDArray[np.int64], lag: int, begin: int, end: int
) -> tuple[int, int]:
    """A range made longer by the same still picture before and after it."""
    one, two = first.boxes[at], second.boxes[at + lag]
    still = ~(first.moving[at] | second.moving[at + lag])
    still &= first.whole[at] & second.whole[at + lag]
    alike = still & (np.abs(one - two).mean(1) <= SAME_STILL) & (one.std(1) > SAME_STILL / 2)
    while begin > 0 and alike[begin - 1]:
        begin -= 1
    while end < len(at) and alike[end]:
        end += 1
    return begin, end


def _alike(one: NDArray[np.float32], two: NDArray[np.float32]) -> bool:
    """Whether pictures agree beyond what moves in them."""
    one, two = (x - x.mean(1, keepdims=True) for x in (one, two))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return float(np.mean((one * two).sum(1) / np.maximum(lengths, 1e-6))) >= PICTURES_AGREE


def _distinct(found: Sequence[Stretch]) -> list[Stretch]:
    """The best of those that say the same at neighbouring lags."""
    kept: list[Stretch] = []
    for stretch in sorted(found, key=lambda one: -one.score):
        covered = sum(
            max(0.0, min(stretch.stop_s, one.stop_s) - max(stretch.start_s, one.start_s))
            for one in kept
            if abs(one.later_s - stretch.later_s) <= NEIGHBOUR_S
        )
        if covered < 0.7 * (stretch.stop_s - stretch.start_s):
            kept.append(stretch)
    return sorted(kept, key=lambda one: one.start_s)
