"""Each bad input of docs/stimulus.md gives the message that stands there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import openpyxl
import pytest

from giblet.errors import AnnotationError, GibletError, MediaError
from giblet.stimulus.audio import extract_audio
from giblet.stimulus.text import extract_text
from giblet.stimulus.video import extract_frames
from tests.unit.stimulus.made_films import even_times, make_film, tone

DOCS = Path(__file__).resolve().parents[3] / "docs" / "stimulus.md"
GOOD = "start,end,text\n0,4,one\n4,8,two\n"


@pytest.fixture
def make(tmp_path):
    """Makers of inputs in a temporary folder."""

    def file(name: str, content: str | bytes = GOOD) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def film(name: str, seconds: float = 2, picture: bool = True, sound: bool = True) -> Path:
        pictures = [np.zeros((36, 64, 3), np.uint8)] * round(24 * seconds)
        return make_film(
            tmp_path / name,
            even_times(seconds) if picture else None,
            pictures if picture else None,
            sound=tone(seconds) if sound else None,
            options={"movflags": "faststart"} if name.endswith("mp4") else {},
        )

    def cut(name: str) -> Path:
        path = film(name, 8)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return path

    def book(name: str) -> Path:
        openpyxl.Workbook().save(tmp_path / name)
        return tmp_path / name

    return SimpleNamespace(folder=tmp_path, file=file, film=film, cut=cut, book=book)


def frames(movie: Path, **settings) -> None:
    extract_frames(movie, movie.parent / "f.h5", **{"tr_s": 1, "n_trs": 8, **settings})


def sound(movie: Path, **settings) -> None:
    extract_audio(movie, movie.parent / "a.wav", **{"tr_s": 1, "sample_rate_hz": 8000, **settings})


def text(path: Path, **settings) -> None:
    extract_text(path, path.parent / "t.tsv", **{"tr_s": 2, "n_trs": 5, **settings})


# What is done, the error, and the part of its message that the documentation quotes.
Case = tuple[Callable[[SimpleNamespace], None], type[GibletError], str]
CASES: dict[str, Case] = {
    "no film": (
        lambda m: frames(m.folder / "x.mp4"),
        MediaError,
        "no such film: correct the column 'movie' of the runs table",
    ),
    "film is a folder": (lambda m: frames(m.folder), MediaError, "is a folder, not a film"),
    "not a film": (
        lambda m: frames(m.file("x.mp4", "Not found" * 99)),
        MediaError,
        "not a film that can be opened (891 bytes; Invalid data found when processing input)",
    ),
    "empty film": (
        lambda m: frames(m.file("x.mp4", "")),
        MediaError,
        "not a film that can be opened (0 bytes; Invalid data found when processing input)",
    ),
    "film cut short": (
        lambda m: frames(m.cut("x.mp4")),
        MediaError,
        "copy it again, or set stimulus/damaged to 'partial' to go on without what is missing",
    ),
    "no picture": (
        lambda m: frames(m.film("x.mp4", picture=False)),
        MediaError,
        "has no picture, only sound: name a film with a video stream",
    ),
    "no sound": (
        lambda m: sound(m.film("x.mp4", sound=False), missing="error"),
        MediaError,
        "has no sound: name a film with an audio stream, set stimulus/audio/missing to 'silence'",
    ),
    "subtitles only": (
        lambda m: frames(m.file("x.srt", "1\n00:00:01,000 --> 00:00:02,000\nhi\n")),
        MediaError,
        "holds neither picture nor sound (found: subtitle)",
    ),
    "film too short": (
        lambda m: sound(m.film("x.mp4"), tr_s=3),
        MediaError,
        "covers no whole TR of 3 s: correct movie_onset_s or n_trs in the runs table",
    ),
    "no annotation": (
        lambda m: text(m.folder / "x.csv"),
        AnnotationError,
        "no such file: correct the column 'text' of the runs table, or leave it empty",
    ),
    "unknown kind": (
        lambda m: text(m.file("x.docx")),
        AnnotationError,
        "files ending in '.docx' are not read as timed text: save it as one of .xlsx, .xlsm, "
        ".tsv, .csv, .txt, .srt, .vtt",
    ),
    "empty table": (
        lambda m: text(m.file("x.csv", "start,end,text\n")),
        AnnotationError,
        "holds no rows below a header",
    ),
    "broken workbook": (
        lambda m: text(m.file("x.xlsx", GOOD)),
        AnnotationError,
        "not a readable Excel file (File is not a zip file): open it and save it again as xlsx",
    ),
    "unknown sheet": (
        lambda m: text(m.book("x.xlsx"), sheet="Film"),
        AnnotationError,
        "has no sheet 'Film'; it has 'Sheet': correct stimulus/text/sheet",
    ),
    "unknown column": (
        lambda m: text(m.file("x.csv"), text_column="Scene"),
        AnnotationError,
        "no column 'Scene'; the columns are 'start', 'end', 'text': correct "
        "stimulus/text/text_column",
    ),
    "no usual column": (
        lambda m: text(m.file("x.csv", "when,what\n0,one\n")),
        AnnotationError,
        "no column found for the start in seconds; the columns are 'when', 'what': name the one "
        "to use in stimulus/text/start_column",
    ),
    "two columns of one name": (
        lambda m: text(m.file("x.csv", "start,text,Text \n0,a,b\n"), text_column="text"),
        AnnotationError,
        "two columns are named 'text': rename one of them",
    ),
    "separator in a text": (
        lambda m: text(m.file("x.csv", "start,end,text\n0,4,one, two\n")),
        AnnotationError,
        "row 2: has 4 cells, the header has 3: put quotes around texts that contain the separator",
    ),
    "clock times as seconds": (
        lambda m: text(m.file("x.csv", "start,end,text\n0:00:00,0:00:04,one\n")),
        AnnotationError,
        "row 2: 'start' is '0:00:00', not a number of seconds (stimulus/text/unit): set it to "
        "'clock'",
    ),
    "words as seconds": (
        lambda m: text(m.file("x.csv", "start,end,text\n0,later,one\n")),
        AnnotationError,
        "row 2: 'end' is 'later', not a number of seconds (stimulus/text/unit)",
    ),
    "seconds as clock times": (
        lambda m: text(m.file("x.csv"), unit="clock"),
        AnnotationError,
        "row 2: 'start' is '0', not a time such as 0:01:02.5: set stimulus/text/unit to 'seconds'",
    ),
    "end before start": (
        lambda m: text(m.file("x.csv", "start,end,text\n0,4,one\n8,5,two\n")),
        AnnotationError,
        "row 3: ends at 5 s, before it starts at 8 s: correct the row",
    ),
    "frames": (
        lambda m: text(m.file("x.csv", "start_frame,text\n0,one\n")),
        AnnotationError,
        "the column 'start_frame' counts frames, of which no table says how many a second has",
    ),
    "number of two readings": (
        lambda m: text(m.file("x.csv", "start;text\n0;a\n1,200;b\n")),
        AnnotationError,
        "row 3: 'start' is '1,200', which can be 1200 or 1.200: write it without a comma",
    ),
    "number beyond bounds": (
        lambda m: text(m.file("x.csv", "start,text\n0,a\n1e999999999,b\n")),
        AnnotationError,
        "row 3: 'start' is '1e999999999', which is beyond what is read as a time",
    ),
    "time beyond any film": (
        lambda m: text(m.file("x.csv", "start,end,text\n0,999999999,a\n")),
        AnnotationError,
        "row 2: 'end' is 1e+09 s; no time of a film is beyond 1,000,000 s",
    ),
    "TR 0": (
        lambda m: text(m.file("x.csv", "start,end,text\n0,3,a\n"), unit="trs"),
        AnnotationError,
        "row 2: 'start' is TR 0, but TRs count from 1 (stimulus/text/first_tr): set it to 0",
    ),
    "MicroDVD": (
        lambda m: text(m.file("x.srt", "{10}{20}hello\n")),
        AnnotationError,
        "is MicroDVD (its times are frames), not srt or vtt: convert it",
    ),
    "empty subtitles": (
        lambda m: text(m.file("x.srt", "")),
        AnnotationError,
        "is empty: name a file with cues, or leave 'text' empty for a run without text",
    ),
    "subtitles cut short": (
        lambda m: text(
            m.file("x.srt", "1\n00:00:01,000 --> 00:00:02,000\na\n\n\n\n\n\n2\n00:00:07,000 --")
        ),
        AnnotationError,
        "line 10: the file ends within a line of times ('00:00:07,000 --'): it is cut short",
    ),
    "no starts": (
        lambda m: text(m.file("x.csv", "start,end,text\n,4,\n")),
        AnnotationError,
        "the column 'start' is empty: choose another one in stimulus/text/start_column",
    ),
    "no texts": (
        lambda m: text(m.file("x.csv", "start,end,text\n0,4,\n")),
        AnnotationError,
        "the column with the text is empty: choose another one in stimulus/text/text_column",
    ),
    "unknown part": (
        lambda m: text(m.file("x.csv"), text_part=2),
        AnnotationError,
        "text_part is 2, the table has 1 part(s): part 1 rows 2-3 from 0 s to 4 s",
    ),
    "part not said": (
        lambda m: text(m.file("x.csv", "start,text,run\n0,a,1\n2,b,\n"), part_column="run"),
        AnnotationError,
        "row 3: 'run' is empty: every row needs to say which part it belongs to",
    ),
    "no row in the run": (
        lambda m: text(m.file("x.csv", "start,end,text\n5000,6000,one\n")),
        AnnotationError,
        "none of its 1 rows, from 5000 s to 6000 s, falls into the run of 10 s with "
        "movie_onset_s 0",
    ),
    "wrong encoding": (
        lambda m: text(
            m.file("x.csv", "start,end,text\n0,4,café\n".encode("cp1252")), encoding="utf-8"
        ),
        AnnotationError,
        "cannot be read as 'utf-8'",
    ),
    "unknown encoding": (
        lambda m: text(m.file("x.csv"), encoding="utf-9"),
        AnnotationError,
        "cannot be read as 'utf-9' (unknown encoding: utf-9): correct stimulus/text/encoding",
    ),
    "no cues": (
        lambda m: text(m.file("x.srt", "just text\n")),
        AnnotationError,
        "holds no cues with times such as 00:00:01,000 --> 00:00:02,500",
    ),
    "malformed cue": (
        lambda m: text(m.file("x.srt", "1\n00:00:01 -> 2\n\n2\n0:61:00,000 --> 4\nhello\n")),
        AnnotationError,
        "line 5: '0:61:00,000 --> 4' is not a pair of times such as 00:00:01,000 --> 00:00:02,500",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_with_a_message_that_helps(make, name):
    act, error, message = CASES[name]
    with pytest.raises(error) as caught:
        act(make)
    assert message in str(caught.value)
    # The message names the file first, and nothing half-made is left.
    assert str(caught.value).startswith(str(make.folder))
    left = {path.name for path in make.folder.iterdir()}
    assert not left & {"f.h5", "a.wav", "t.tsv"}
    assert not [name for name in left if name.startswith(".partial")]


def test_the_documentation_quotes_every_message():
    table = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if "|" in line]
    missing = [name for name, case in CASES.items() if not any(case[2] in line for line in table)]
    assert missing == []


@pytest.mark.parametrize("name", ["x y.csv", 'it\'s "one".csv', "é ö.csv"])
def test_spaces_quotes_and_accents_in_paths(make, name):
    text(make.file(name))
    movie = make.film(name.replace(".csv", ".mp4"))
    frames(movie, n_trs=2)
    sound(movie)
