"""Annotation files as timed rows: tables of any layout, and subtitles."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from giblet import notices
from giblet.cells import (
    DELIMITED,
    EXCEL,
    Purpose,
    Sheet,
    as_text,
    is_empty,
    is_wordless,
    read_sheet,
)
from giblet.errors import AnnotationError
from giblet.stimulus.cell_times import has_decimal_commas, seconds
from giblet.stimulus.columns import TIMES, Columns, find_columns, has_columns, says_speech
from giblet.stimulus.parts import choose_part, say_of_parts, split_parts
from giblet.stimulus.rows import Row, listed, one_line, with_ends
from giblet.stimulus.subtitles import read_subtitles
from giblet.stimulus.units import Run, Table, Times, in_seconds
from giblet.timing import Exact, as_fraction

SUBTITLES = (".srt", ".vtt")
PURPOSE = Purpose(
    AnnotationError,
    named_in="correct the column 'text' of the runs table, or leave it empty for a run without "
    "text",
    holds="columns for the start, the end and the text",
    sheet_key="stimulus/text/sheet",
    encoding_key="stimulus/text/encoding",
)


@dataclass(frozen=True)
class Placed:
    """Where the run lies: its TRs, when its film starts, and what a file's times count from."""

    tr_s: Fraction
    n_trs: int
    movie_onset_s: Fraction
    clock: str = "auto"

    def shift_s(self, path: Path, unit: str) -> Fraction:
        """Scanner time of a file's time 0."""
        return Fraction(0) if counts_from_scanner(path, self.clock, unit) else self.movie_onset_s

    def on_clock_of(self, path: Path, unit: str) -> Run:
        """The run's interval on the clock of a file."""
        shift = self.shift_s(path, unit)
        return Run(-shift, self.n_trs * self.tr_s - shift, self.n_trs)


def counts_from_scanner(path: Path, clock: str, unit: str) -> bool:
    """Whether a file's times count from the first volume rather than from the film's start."""
    if clock != "auto":
        return clock == "scanner"
    # BIDS: "onset (in seconds) of the event, measured from the beginning of the acquisition
    # of the first data point stored in the corresponding task data file".
    return unit == "trs" or path.name.lower().endswith("_events.tsv")


def read_annotation(
    path: str | Path,
    named: Mapping[str, str | None],
    unit: str,
    first_tr: int,
    tr_s: Exact,
    sheet: str | None,
    encoding: str | None,
) -> list[Row]:
    """Rows of a table or of subtitles, without a run to compare their times with.

    See :func:`read_placed`.
    """
    return read_placed(path, named, unit, first_tr, tr_s, sheet, encoding, None)[0]


def read_placed(
    path: str | Path,
    named: Mapping[str, str | None],
    unit: str,
    first_tr: int,
    tr_s: Exact,
    sheet: str | None,
    encoding: str | None,
    placed: Placed | None,
) -> tuple[list[Row], str]:
    """Rows of a table (xlsx, csv, tsv) or of subtitles (srt, vtt), in the order of the file.

    See :func:`giblet.stimulus.text.extract_text` for the parameters and
    :func:`giblet.stimulus.columns.find_columns` for `named`. Rows without a start are left
    out; a warning counts those that have a text.

    Returns
    -------
    rows, and the unit of their starts in the table

    Raises
    ------
    AnnotationError
        If the file is of another kind, or a time in it cannot be read.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind in SUBTITLES:
        return read_subtitles(path, PURPOSE, encoding), "clock"
    if kind not in (*EXCEL, *DELIMITED):
        known = ", ".join((*EXCEL, *DELIMITED, *SUBTITLES))
        raise AnnotationError(
            f"{path}: files ending in {path.suffix or 'nothing'!r} are not read as timed text: "
            f"save it as one of {known}"
        )
    table = read_sheet(
        path,
        PURPOSE,
        sheet=sheet,
        encoding=encoding,
        is_header=lambda header: has_columns(header, named),
    )
    columns = find_columns(path, table.header, named, unit)
    start_unit = columns.units["start"]
    reader = _Reader(path, table, columns, first_tr, as_fraction(tr_s, "tr_s"))
    run = None if placed is None else placed.on_clock_of(path, start_unit)
    return reader.rows(run), start_unit


@dataclass(frozen=True)
class _Reader:
    """Makes rows of the cells of a table."""

    path: Path
    table: Sheet
    columns: Columns
    first_tr: int
    tr_s: Fraction

    def rows(self, run: Run | None) -> list[Row]:
        """Rows with a start, their times in seconds."""
        cells_of = {}
        times = []
        timeless = []
        positions = self._positions()
        commas = has_decimal_commas(
            cells[index] for _, cells in self.table.rows for index in positions.values()
        )
        self._refuse_other_trs(positions)
        for number, cells in self.table.rows:
            found = self._times(number, cells, positions, commas)
            if found is not None:
                times.append(found)
                cells_of[number] = cells
            elif not is_wordless(cells[self.columns.text]):
                timeless.append(number)
        self._say_of(timeless, times)
        units = {role: self.columns.units[role] for role in positions}
        headers = {role: self.table.header[index] for role, index in positions.items()}
        facts = Table(self.path, headers, units, self.columns.stated)
        times = in_seconds(facts, times, run)
        self._warn_of_contradictions(times)
        return [self._row(one, cells_of[one.number]) for one in times]

    def _positions(self) -> dict[str, int]:
        found = {role: getattr(self.columns, role) for role in TIMES}
        return {role: index for role, index in found.items() if index is not None}

    def _times(
        self, number: int, cells: list[Any], positions: Mapping[str, int], commas: bool | None
    ) -> Times | None:
        """Times of a row; None without a start. TRs are laid from 0 and to the end of the last."""
        found: dict[str, Fraction | None] = dict.fromkeys(TIMES)
        for role, index in positions.items():
            if is_empty(cells[index]):
                continue
            where = f"{self.path} row {number}: {self.table.header[index]!r}"
            unit = self.columns.units[role]
            found[role] = time = seconds(where, cells[index], unit, self.tr_s, commas)
            if unit == "trs" and role != "duration":
                self._refuse_early_tr(where, time)
                # Both numbers name whole TRs, so the row lasts to the end of the second one.
                found[role] = time + self.tr_s * ((role == "end") - self.first_tr)
        start = found["start"]
        return None if start is None else Times(number, start, found["end"], found["duration"])

    def _refuse_other_trs(self, positions: Mapping[str, int]) -> None:
        """Refuse TRs of which the header says that they last longer or shorter than the run's."""
        for role, index in positions.items():
            header = self.table.header[index]
            said = re.search(r"\btrs?\W+([0-9]{1,3}(?:\.[0-9]{1,6})?) ?s\b", header, re.IGNORECASE)
            if self.columns.units[role] == "trs" and said and as_fraction(said[1]) != self.tr_s:
                raise AnnotationError(
                    f"{self.path}: the column {header!r} counts TRs of {said[1]} s, config key "
                    f"'tr_s' is {float(self.tr_s):g}: name a column of seconds in "
                    f"stimulus/text/{role}_column"
                )

    def _refuse_early_tr(self, where: str, time: Fraction) -> None:
        if time == 0 and self.first_tr == 1:
            raise AnnotationError(
                f"{where} is TR 0, but TRs count from 1 (stimulus/text/first_tr): set it to 0"
            )

    def _say_of(self, timeless: list[int], times: list[Times]) -> None:
        if timeless:
            notices.warn(
                f"{self.path}: {len(timeless)} row(s) with a text but no start are left out: "
                f"{listed(timeless)}"
            )
        if not times:
            raise AnnotationError(
                f"{self.path}: the column {self.table.header[self.columns.start]!r} is empty: "
                "choose another one in stimulus/text/start_column"
            )

    def _warn_of_contradictions(self, times: list[Times]) -> None:
        """Say it where a table has ends and durations, and they do not agree."""
        differ = [
            one.number
            for one in times
            if one.end is not None
            and one.duration is not None
            and abs(one.end - one.start - one.duration) > max(Fraction(1, 2), one.duration / 10)
        ]
        if 2 * len(differ) > len(times):
            ends, durations = (
                self.table.header[index]
                for index in (self.columns.end, self.columns.duration)
                if index is not None
            )
            notices.warn(
                f"{self.path}: {ends!r} and {durations!r} contradict each other in "
                f"{len(differ)} of {len(times)} rows ({listed(differ, 3)}); {ends!r} is used: name "
                "the right one in stimulus/text/end_column, or remove the other"
            )

    def _row(self, times: Times, cells: list[Any]) -> Row:
        columns, number = self.columns, times.number
        end = times.end
        if end is None and times.duration is not None:
            end = times.start + times.duration
        text = "" if is_wordless(cells[columns.text]) else one_line(as_text(cells[columns.text]))
        part = ""
        if columns.part is not None:
            part = as_text(cells[columns.part])
            if is_wordless(cells[columns.part]):
                raise AnnotationError(
                    f"{self.path} row {number}: {self.table.header[columns.part]!r} is empty: "
                    "every row needs to say which part it belongs to"
                )
        said = says_speech(columns, None if columns.speech is None else cells[columns.speech])
        return Row(times.start, end, text, number, part, said)


def rows_of_part(
    path: str | Path,
    rows: list[Row],
    text_part: int,
    restart_s: Exact | None,
    gap_s: Exact,
    tr_s: Exact,
    asked: int = 1,
) -> list[Row]:
    """Rows with text of one part of a file, in order of time, each with an end.

    Parameters
    ----------
    asked : largest part that the runs table names for this file
    """
    text_part = int(text_part)
    asked = max(int(asked), text_part)
    parts = split_parts(rows, restart_s, asked)
    if any(row.part for row in rows):
        asked = max(asked, len(parts))
    called = "line" if Path(path).suffix.lower() in SUBTITLES else "row"
    chosen = choose_part(path, parts, text_part)
    say_of_parts(path, rows, parts, text_part, asked, restart_s, called)
    return [row for row in with_ends(path, chosen, tr_s, gap_s, called) if row.text]
