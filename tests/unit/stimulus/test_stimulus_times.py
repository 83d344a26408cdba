"""Laws of times: order, units and the run's borders change nothing about which text is where."""

from __future__ import annotations

import random
import tempfile
import time
import warnings
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.errors import AnnotationError, GibletError
from giblet.stimulus.cell_times import clock_seconds, has_decimal_commas, seconds
from giblet.stimulus.columns import UNITS, name_and_unit
from giblet.stimulus.parts import split_parts
from giblet.stimulus.rows import LONGEST_S, Row, listed
from tests.support.timed_text import texts, written

MILLISECONDS = st.integers(0, 20_000)
# Rows that do not overlap, each with another start: (start, end) in milliseconds.
APART = st.lists(MILLISECONDS, min_size=4, max_size=24, unique=True).map(
    lambda edges: list(zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False))
)
SPANS = st.lists(st.tuples(MILLISECONDS, st.integers(0, 8000)), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def table(folder, rows, header="start,end,text", name="a.csv"):
    lines = [f"{a},{b},{text}" for a, b, text in rows]
    return written(folder / name, "\n".join([header, *lines]) + "\n")


def quietly(*args, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return texts(*args, **settings)


def brute_force(rows, n_trs, tr_s, shift):
    """Text of each TR by the rule of docs/stimulus.md, row by row and TR by TR."""
    held = [[] for _ in range(n_trs)]
    for start, end, text in sorted(rows, key=lambda row: row[0]):
        start, end = start + shift, end + shift
        centres = [k for k in range(n_trs) if start <= (k + Fraction(1, 2)) * tr_s < end]
        middle = (start + end) / 2
        own = [k for k in range(n_trs) if k * tr_s <= middle < (k + 1) * tr_s]
        # A row that covers the centre of some TR, of this run or not, does not need its own.
        first_centre = -((tr_s / 2 - start) // tr_s) * tr_s + tr_s / 2
        for k in centres if first_centre < end else own:
            held[k].append((start, end, text))
    return [" ".join(dict.fromkeys(text for _, _, text in one)) for one in held]


@settings(max_examples=40, deadline=None)
@given(SPANS, st.sampled_from(["1", "1.5", "0.72", "7/3"]), st.integers(-4000, 4000))
def test_the_text_of_each_tr_is_that_of_a_brute_force_search(folder, spans, tr_s, onset_ms):
    rows = [(a, a + length, f"text number {k}") for k, (a, length) in enumerate(spans)]
    exact = [(Fraction(a, 1000), Fraction(b, 1000), text) for a, b, text in rows]
    path = table(folder, [(a / 1000, b / 1000, text) for a, b, text in rows])
    onset = Fraction(onset_ms, 1000)
    expected = brute_force(exact, 12, Fraction(tr_s), onset)
    if any(expected):
        # Two rows that start at once keep the table's order.
        placed = {"movie_onset_s": str(onset), "restart_s": None}
        assert quietly(path, 12, tr_s, **placed) == expected


@settings(max_examples=40, deadline=None)
@given(APART, st.randoms(use_true_random=False))
def test_the_order_of_rows_that_do_not_overlap_changes_nothing(folder, spans, rng):
    rows = [(a / 1000, b / 1000, f"row {k}") for k, (a, b) in enumerate(spans)]
    in_order = quietly(table(folder, rows), 20)
    rng.shuffle(rows)
    assert quietly(table(folder, rows), 20) == in_order
    srt = "\n\n".join(f"{clock(a)} --> {clock(b)}\n{text}" for a, b, text in rows)
    assert quietly(written(folder / "a.srt", srt), 20) == in_order


def clock(time_s):
    whole, ms = divmod(round(time_s * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02},{ms:03}"


@settings(max_examples=30, deadline=None)
@given(APART, st.sampled_from(["ms", "us", "min", "h"]), st.booleans())
def test_times_in_another_unit_that_the_header_states_are_the_same(folder, spans, unit, ends):
    per_s = {"ms": Fraction(1000), "us": Fraction(10**6)}
    per_s |= {"min": Fraction(1, 60), "h": Fraction(1, 3600)}
    # Multiples of 3.6 s have finite decimals in hours.
    rows = [(Fraction(a * 36, 1000), Fraction(b * 36, 1000), f"row {a}") for a, b in spans]
    in_s = [(float(a), float(b if ends else b - a), text) for a, b, text in rows]
    role = "end" if ends else "duration"
    expected = quietly(table(folder, in_s, f"start,{role},text"), 40, 18)
    scaled = [
        (float(a * per_s[unit]), float((b if ends else b - a) * per_s[unit]), text)
        for a, b, text in rows
    ]
    path = table(folder, scaled, f"start_{unit},{role} ({unit}),text")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert texts(path, 40, 18) == expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_milliseconds_that_fill_the_run_are_recognised(folder, seed):
    rng = random.Random(seed)
    n_trs = rng.randint(20, 300)
    starts = sorted(rng.sample(range(n_trs * 1000 - 500), rng.randint(5, 40)))
    starts[-1] = n_trs * 1000 - 500
    rows = [(a, a + rng.randint(200, 4000), f"row {k}") for k, a in enumerate(starts)]
    in_s = [(a / 1000, b / 1000, text) for a, b, text in rows]
    expected = quietly(table(folder, in_s), n_trs)
    with pytest.warns(UserWarning, match="they are read as milliseconds"):
        assert texts(table(folder, rows), n_trs) == expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_seconds_of_a_film_longer_than_its_run_are_not_mistaken(folder, seed):
    rng = random.Random(seed)
    n_trs = rng.randint(60, 300)
    length = rng.choice([1, 3, 20, 120])
    film = rng.randint(n_trs, 2_000)
    rows = [(k, k + length, f"row {k}") for k in range(0, film, length)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = texts(table(folder, rows), n_trs, text_shared=True)
    assert found == [f"row {k // length * length}" for k in range(n_trs)]


CELLS = st.one_of(
    st.text("0123456789.,:-+eE hms'", max_size=12),
    st.text(max_size=8),
    st.floats(),
    st.integers(),
    st.datetimes(),
    st.times(),
    st.timedeltas(),
    st.booleans(),
)


@settings(deadline=None, max_examples=300)
@given(CELLS, st.sampled_from(sorted(set(UNITS) - {"frames", "samples"})))
def test_any_cell_is_a_time_or_refused_with_its_place(cell, unit):
    where = "a.csv row 2: 'start'"
    try:
        found = seconds(where, cell, unit, "1.5")
    except AnnotationError as error:
        found = str(error)
    assert isinstance(found, Fraction) or found.startswith(f"{where} is ")


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=8), st.booleans())
def test_numbers_written_with_commas_are_read_back_or_refused(numbers, decimal):
    cells = [f"{n / 100:.2f}".replace(".", ",") if decimal else f"{n:,}" for n in numbers]
    commas = has_decimal_commas(cells)
    for number, cell in zip(numbers, cells, strict=True):
        with suppress(AnnotationError):
            exact = Fraction(number, 100) if decimal else Fraction(number)
            assert seconds("x", cell, "seconds", 1, commas) == exact


@given(st.text(max_size=40))
def test_any_header_has_a_name_and_perhaps_a_unit(header):
    name, unit = name_and_unit(header)
    assert name == name.strip()
    assert unit is None or unit in UNITS


@given(st.text("0123456789:.,-+ apmAPM\u2212", max_size=20))
def test_any_text_is_a_clock_time_or_none(text):
    time = clock_seconds(text)
    assert time is None or abs(time) < 10**14


FIELDS = st.one_of(
    st.sampled_from(["0", "1.5", "n/a", "", "1e999999999", "-1", "1,200", "0:01:02", "2 s", "7e5"]),
    st.text("0123456789.:-eE", max_size=9),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(FIELDS, FIELDS, st.sampled_from(["a", "b c", ""])), max_size=8))
def test_any_table_is_read_or_refused(folder, rows):
    lines = ["start\tend\ttext", *("\t".join(row) for row in rows)]
    path = written(folder / "a.tsv", "\n".join(lines))
    with suppress(GibletError):
        assert len(quietly(path)) == 10


@pytest.mark.parametrize("unit", ["seconds", "clock"])
@pytest.mark.parametrize("piece", ["9", "1,", "1.", "1 ", "1:", "1h", "-", ".", "e", "1,000", "s"])
def test_long_cells_take_linear_time(piece, unit):
    begun = time.process_time()
    for tail in ("", "x", "!", " s!"):
        with suppress(AnnotationError):
            seconds("x", piece * (30_000 // len(piece)) + tail, unit, 1)
    assert time.process_time() - begun < 1


def test_rows_far_beyond_the_run_cost_nothing(folder):
    rows = [(k, LONGEST_S - 1, f"row {k}") for k in range(400)]
    path = table(folder, rows, "start (s),end (s),text")
    assert quietly(path, 3) == ["row 0", "row 0 row 1", "row 0 row 1 row 2"]


@given(st.sets(st.integers(2, 60), max_size=30))
def test_numbers_of_rows_are_listed_each_once(numbers):
    shown = listed(numbers, most=99)
    found = set()
    for piece in filter(None, shown.split(", ")):
        low, _, high = piece.partition("-")
        found |= set(range(int(low), int(high or low) + 1))
    assert found == numbers


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), max_size=30), st.integers(1, 3))
def test_parts_hold_every_row_once_in_the_order_of_the_table(starts, asked):
    rows = [Row(Fraction(a), Fraction(a + 1), "x", k) for k, a in enumerate(starts)]
    parts = split_parts(rows, 30, asked)
    assert [row for part in parts for row in part] == rows
    if asked == 1:
        # What nobody asked for has at least three rows on both sides.
        assert len(parts) <= 1 or min(map(len, parts)) >= 3
