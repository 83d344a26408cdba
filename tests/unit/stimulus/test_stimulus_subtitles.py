"""Laws of subtitles: what was rendered is read back, and no file hangs or crashes."""

from __future__ import annotations

import tempfile
import time
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from giblet.errors import AnnotationError
from giblet.stimulus.annotation import PURPOSE
from giblet.stimulus.subtitles import read_subtitles

WORD = st.text("abcdefgXYZäß漢!?'", min_size=1, max_size=6)
LINES = st.lists(st.lists(WORD, min_size=1, max_size=4).map(" ".join), min_size=1, max_size=3)
# Start and length in milliseconds, and the lines.
CUES = st.lists(
    st.tuples(st.integers(0, 10**7), st.integers(0, 9000), LINES), min_size=1, max_size=6
)
MARKUP = st.sampled_from(["{}", "<i>{}</i>", "<b>{}</b>", "<c.x>{}</c>", "<v Ann>{}</v>"])
GAPS = st.sampled_from(["\n\n", "\n\n\n", "\n \n", "\n\t\n\n"])
ENDS = st.sampled_from(["\n", "\r\n", "\r", "\r\r\n"])


@pytest.fixture(scope="module")
def path():
    with tempfile.TemporaryDirectory() as made:
        yield Path(made) / "a.srt"


def read(path, content, suffix=".srt"):
    path = path.with_suffix(suffix)
    path.write_bytes(content.encode("utf-8", "replace"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_subtitles(path, PURPOSE, None)


def stamp(ms, mark):
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{mark}{ms % 1000:03}"


def distinct(cues):
    """Cues whose texts name their number, so that none repeats another."""
    return [(a, a + length, [*lines, f"cue-{k}."]) for k, (a, length, lines) in enumerate(cues)]


def expected(cues):
    return [(a, b, " ".join(lines)) for a, b, lines in cues]


def found(rows):
    return [(round(row.start_s * 1000), round(row.end_s * 1000), row.text) for row in rows]


@settings(max_examples=50, deadline=None)
@given(CUES.map(distinct), st.data(), GAPS, ENDS, st.booleans())
def test_rendered_srt_is_read_back(path, cues, data, gap, end, numbered):
    blocks = []
    for number, (start, stop, lines) in enumerate(cues, 1):
        marked = [data.draw(MARKUP).format(line) for line in lines]
        inside = data.draw(st.sampled_from(["\n", "\n\n", "\n  \n"]))
        times = f"{stamp(start, ',')} --> {stamp(stop, ',')}"
        blocks.append("\n".join([*([str(number)] * numbered), times, inside.join(marked)]))
    content = gap.join(blocks).replace("\n", end)
    assert found(read(path, content)) == expected(cues)


@settings(max_examples=50, deadline=None)
@given(CUES.map(distinct), st.data(), ENDS)
def test_rendered_webvtt_is_read_back(path, cues, data, end):
    blocks = ["WEBVTT - title"]
    others = ["NOTE a\nb", "NOTE x --> y", "STYLE\n::cue {}", "REGION\nid:a", "NOTE"]
    for start, stop, lines in cues:
        blocks += data.draw(st.lists(st.sampled_from(others), max_size=2))
        name = data.draw(st.sampled_from([[], ["1"], ["intro - part"]]))
        times = f"{stamp(start, '.')} --> {stamp(stop, '.')}"
        times += data.draw(st.sampled_from(["", " line:0", " align:start position:0%"]))
        inside = data.draw(st.sampled_from(["\n", "\n \n"]))
        marked = inside.join(data.draw(MARKUP).format(line) for line in lines)
        blocks.append("\n".join([*name, times, marked]))
    content = "\n\n".join(blocks).replace("\n", end)
    assert found(read(path, content, ".vtt")) == expected(cues)


# Pieces of which broken files are made.
PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(
                    "WEBVTT",
                    "NOTE",
                    "NOTE ",
                    "STYLE",
                    "REGION",
                    "-->",
                    " --> ",
                    "1",
                    "42",
                    "\n",
                    "\n\n",
                ),
                *("\r\r\n", " ", "\t", "00:00:01,000", "00:01.5", "-00:00:01.000", "99:99:99,999"),
                *(
                    "<v Bob",
                    "<i>",
                    "</i>",
                    "<ruby>a<rt>b",
                    "{\\an8}",
                    "&amp;",
                    "&#x41;",
                    "♪",
                    "[",
                    "(",
                ),
                *("\0", "\ufeff", "\u2028", "X1:0", "00:00:01,000 --> 00:00:02,000\n", "9" * 30),
            ]
        ),
        st.text(max_size=4),
    ),
    max_size=40,
).map("".join)


@settings(max_examples=150, deadline=None)
@given(PIECES, st.sampled_from([".srt", ".vtt"]))
@example("WEBVTT\n\nNOTE-->", ".vtt")
@example("WEBVTT\n-->\n-->\n-->", ".vtt")
@example("-->", ".srt")
def test_any_text_is_read_or_refused(path, content, suffix):
    with suppress(AnnotationError):
        for row in read(path, content, suffix):
            assert row.start_s is not None
            assert row.text == " ".join(row.text.split())


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "<",
            "<a",
            "<0:",
            "<0:.",
            "{\\",
            "&",
            "&#1",
            "♪",
            "[",
            "(",
            "[a]",
            " ",
            "\t",
            "1\n",
            "-->\n",
        ),
        *(
            "1:",
            "0 ",
            ".",
            "<ruby><rt>",
            "\\N",
            "\r",
            "00:00:01,000 --> 00:00:02,000\n",
            "NOTE\n\n",
        ),
    ],
)
def test_long_repetitions_take_linear_time(path, piece):
    for head in ("", "1\n00:00:01,000 --> 00:00:02,000\n", "WEBVTT\n\n00:01.000 --> 00:02.000\n"):
        for tail in ("", " x --> y"):
            begun = time.process_time()
            with suppress(AnnotationError):
                read(path, head + piece * (20_000 // len(piece)) + tail)
            assert time.process_time() - begun < 1
