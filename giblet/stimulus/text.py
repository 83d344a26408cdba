"""Text of each TR of a run, from an annotation table, a transcript or subtitles.

Which TRs a row belongs to
--------------------------
A TR is a row's if the row covers the TR's centre (the row's interval is half-open, so of
two rows that meet at a centre the later one has it). A row too short or too badly placed
to cover any centre belongs to the TR that holds its own centre: no text is lost. This is
the rule behind the TR columns of the Sherlock table (Chen et al. 2017, Nat. Neurosci.
20:115), which it reproduces for all 998 rows that have them (with `gap_s` 3).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from pathlib import Path
from statistics import median

from giblet import notices
from giblet.errors import AnnotationError
from giblet.stimulus.annotation import SUBTITLES, Placed, read_placed, rows_of_part
from giblet.stimulus.media import run_length
from giblet.stimulus.rows import Row, listed
from giblet.store import replacing
from giblet.timing import Exact, as_fraction, tr_length

COLUMNS = ("tr", "start_s", "end_s", "text", "n_rows", "coverage", "speech")


@dataclass
class TrText:
    """Text of one TR: the rows it holds, and how much of it rows cover (0..1).

    `speech` is how much of it rows cover during which something is said; None where the
    annotation does not tell.
    """

    rows: list[Row] = field(default_factory=list)
    coverage: float = 0.0
    speech: float | None = None

    @property
    def text(self) -> str:
        """Texts in order of time, each once (see :func:`joined`)."""
        return joined(self.rows)


def extract_text(
    annotation: str | Path,
    text: str | Path,
    *,
    movie: str | Path = "",
    tr_s: Exact,
    movie_onset_s: Exact = 0,
    n_trs: int = 0,
    text_part: int = 1,
    text_column: str | None = None,
    start_column: str | None = None,
    end_column: str | None = None,
    duration_column: str | None = None,
    part_column: str | None = None,
    speech_column: str | None = None,
    unit: str = "seconds",
    first_tr: int = 1,
    clock: str = "auto",
    sheet: str | None = None,
    encoding: str | None = None,
    restart_s: Exact | None = 30,
    gap_s: Exact = 0,
    damaged: str = "error",
    text_parts: int = 1,
    text_shared: bool = False,
) -> None:
    """Write one row per TR: ``tr, start_s, end_s, text, n_rows, coverage, speech``.

    Parameters
    ----------
    annotation
        Table (xlsx, csv, tsv) or subtitles (srt, vtt); empty for a run without text.
    text
        Tab-separated file to write. `tr` counts from 0, `start_s` and `end_s` are scanner
        time, `text` may be empty, `n_rows` is the number of rows the TR holds and
        `coverage` the share of it during which a row with text runs; `speech` the share during
        which one runs in which something is said, empty if the annotation does not tell.
    movie
        Film, opened only to learn the run's length when `n_trs` is 0.
    text_part
        Which part of a table whose times start again, from 1.
    text_column, start_column, end_column, duration_column, part_column, speech_column
        Headers of the columns; None to go by their usual names.
    unit
        Of the times in columns whose header states none: ``seconds``, ``milliseconds``,
        ``clock`` (h:mm:ss) or ``trs`` (numbers of TRs, the end's included, counted from
        `first_tr`).
    clock
        What the times count from: ``film`` (its start), ``scanner`` (the first volume), or
        ``auto``: scanner for BIDS ``*_events.tsv`` and times in TRs, film for all else.
    restart_s, gap_s
        See :func:`giblet.stimulus.parts.split_parts` and
        :func:`giblet.stimulus.rows.with_ends`.
    text_parts
        Largest `text_part` of all runs that name the file; 1 where nobody asks for parts.
    text_shared
        Whether another run shows another piece of the same annotation, so that rows outside
        this one are no surprise.

    Raises
    ------
    AnnotationError
        If the file cannot be read as timed text, or none of it falls into the run.
    """
    tr_s = tr_length(tr_s)
    onset = as_fraction(movie_onset_s, "movie_onset_s")
    n_trs = run_length(movie, tr_s, movie_onset_s, n_trs, damaged)
    per_tr = [TrText() for _ in range(n_trs)]
    if str(annotation):
        path = Path(annotation)
        named = {
            "start": start_column,
            "end": end_column,
            "duration": duration_column,
            "text": text_column,
            "part": part_column,
            "speech": speech_column,
        }
        placed = Placed(tr_s, n_trs, onset, clock)
        rows, start_unit = read_placed(path, named, unit, first_tr, tr_s, sheet, encoding, placed)
        rows = rows_of_part(path, rows, text_part, restart_s, gap_s, tr_s, text_parts)
        shift = placed.shift_s(path, start_unit)
        per_tr = text_per_tr(rows, n_trs, tr_s, shift)
        _refuse_nothing(path, rows, per_tr, tr_s, movie_onset_s)
        if not text_shared:
            _warn_of_outside(path, rows, per_tr, tr_s, shift)
    _write(text, per_tr, tr_s)


def trs_of(start_s: Fraction, end_s: Fraction, tr_s: Exact) -> range:
    """TRs that the interval ``[start_s, end_s)`` of scanner time belongs to, never none."""
    spans, tr = _in_ticks([Row(start_s, end_s, "", 0)], tr_length(tr_s), Fraction(0))
    return range(*_trs_of(*spans[0], tr))


def _trs_of(start: int, end: int, tr: int) -> tuple[int, int]:
    """First TR of an interval and the one after its last, given in ticks."""
    # TR k's centre is at (k + 1/2) TRs; -(-a // b) rounds up.
    first, stop = (-((tr // 2 - time) // tr) for time in (start, end))
    if stop > first:
        return first, stop
    nearest = (start + end) // (2 * tr)
    return nearest, nearest + 1


def text_per_tr(
    rows: Sequence[Row], n_trs: int, tr_s: Exact, shift_s: Fraction | int = 0
) -> list[TrText]:
    """Lay rows, in order of time and with ends, on the TRs of a run."""
    spans, tr = _in_ticks(rows, tr_length(tr_s), Fraction(shift_s))
    per_tr = [TrText() for _ in range(n_trs)]
    for row, (start, end) in zip(rows, spans, strict=True):
        first, stop = _trs_of(start, end, tr)
        for index in range(max(0, first), min(n_trs, stop)):
            per_tr[index].rows.append(row)
    for one, covered in zip(per_tr, _covered(spans, n_trs, tr), strict=True):
        one.coverage = covered
    if any(row.speech is not None for row in rows):
        said = [span for row, span in zip(rows, spans, strict=True) if row.speech]
        for one, covered in zip(per_tr, _covered(said, n_trs, tr), strict=True):
            one.speech = covered
    return per_tr


def _in_ticks(
    rows: Sequence[Row], tr_s: Fraction, shift_s: Fraction
) -> tuple[list[tuple[int, int]], int]:
    """Starts and ends of rows, and the TR, in a unit of which half a TR is a whole number.

    Whole numbers are as exact as fractions and many times faster.
    """
    ends = [row.start_s if row.end_s is None else row.end_s for row in rows]
    times = [shift_s, tr_s / 2, *(row.start_s for row in rows), *ends]
    per_s = lcm(*{time.denominator for time in times})

    def ticks(time: Fraction) -> int:
        return time.numerator * (per_s // time.denominator)

    shift = ticks(shift_s)
    starts = [ticks(row.start_s) + shift for row in rows]
    return list(zip(starts, [ticks(end) + shift for end in ends], strict=True)), ticks(tr_s)


def _covered(spans: Sequence[tuple[int, int]], n_trs: int, tr: int) -> list[float]:
    """Share of each TR during which any of some rows runs, given in ticks and order of time."""
    covered = [0] * n_trs
    until = spans[0][0] if spans else 0
    for start, end in spans:
        fresh = max(start, until)
        if end > fresh:
            for index in range(max(0, fresh // tr), min(n_trs, -(-end // tr))):
                covered[index] += min(end, (index + 1) * tr) - max(fresh, index * tr)
            until = end
    return [length / tr for length in covered]


def joined(rows: Sequence[Row]) -> str:
    """Texts of rows in order of time, without repetitions.

    A repeated single word is kept unless the rows overlap: in a table of words, "the" comes
    back soon.
    """
    kept: list[str] = []
    # Until when each text that was kept has run.
    until: dict[str, Fraction] = {}
    for row in rows:
        assert row.end_s is not None
        before = until.get(row.text)
        if before is None or (" " not in row.text and min(before, row.end_s) <= row.start_s):
            kept.append(row.text)
            until[row.text] = row.end_s if before is None else max(before, row.end_s)
    return " ".join(kept)


def _refuse_nothing(
    path: Path, rows: list[Row], per_tr: list[TrText], tr_s: Exact, movie_onset_s: Exact
) -> None:
    if any(held.rows for held in per_tr):
        return
    if not rows:
        raise AnnotationError(
            f"{path}: the column with the text is empty: choose another one in "
            "stimulus/text/text_column"
        )
    first = min(float(row.start_s) for row in rows)
    last = max(float(row.end_s or 0) for row in rows)
    length = float(len(per_tr) * as_fraction(tr_s))
    raise AnnotationError(
        f"{path}: none of its {len(rows)} rows, from {first:g} s to {last:g} s, falls into the "
        f"run of {length:g} s with movie_onset_s {movie_onset_s}: correct stimulus/text/unit, or "
        "movie_onset_s in the runs table; leave 'text' empty there for a run without text"
    )


def _warn_of_outside(
    path: Path, rows: Sequence[Row], per_tr: Sequence[TrText], tr_s: Fraction, shift: Fraction
) -> None:
    """Count the rows that lie outside the run, and those far longer than it.

    Rows before a film's negative onset were seen before the scan, and what starts in the TR
    that a film covers only in part is cut with it.
    """
    called = "cue" if path.suffix.lower() in SUBTITLES else "row"
    length = len(per_tr) * tr_s
    held = {row.number for one in per_tr for row in one.rows}
    outside = [row for row in rows if row.number not in held]
    before = [row for row in outside if row.start_s + shift < 0 and (shift >= 0 or row.start_s < 0)]
    after = [row for row in outside if row.start_s + shift >= 0]
    if not any(row.start_s + shift >= length + tr_s for row in after):
        after = []
    lost = [*before, *after]
    if lost:
        where = [f"{len(before)} before it"] * bool(before) + [f"{len(after)} after it"] * bool(
            after
        )
        mend = ": correct movie_onset_s, n_trs or stimulus/text/unit if they belong to it"
        notices.warn(
            f"{path}: {len(lost)} of {len(rows)} {called}s lie outside the run of "
            f"{float(length):g} s ({', '.join(where)}) and are left out: "
            f"{listed(row.number for row in lost)}{mend if 2 * len(lost) > len(rows) else ''}"
        )
    lengths = [0.0 if row.end_s is None else float(row.end_s) - float(row.start_s) for row in rows]
    limit = max(float(length), 10 * median(lengths))
    long = [row.number for row, lasts in zip(rows, lengths, strict=True) if lasts > limit]
    if long:
        notices.warn(
            f"{path}: {len(long)} of {len(rows)} {called}s last longer than the run of "
            f"{float(length):g} s: {listed(long)}; correct their ends if that is not so"
        )


def _write(path: str | Path, per_tr: Sequence[TrText], tr_s: Fraction) -> None:
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        for tr, held in enumerate(per_tr):
            start, end = float(tr * tr_s), float((tr + 1) * tr_s)
            coverage = round(held.coverage, 6)
            speech = "" if held.speech is None else round(held.speech, 6)
            writer.writerow((tr, start, end, held.text, len(held.rows), coverage, speech))
