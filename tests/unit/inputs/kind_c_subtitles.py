"""Subtitles as players and the standard read them, or refused with the line."""

import pytest

from giblet.errors import AnnotationError
from giblet.stimulus.annotation import PURPOSE
from giblet.stimulus.subtitles import read_subtitles
from tests.support.bad_inputs import Kind

KIND = Kind(
    "Subtitle grammar",
    "SubRip is read as players show it, WebVTT as its standard says; every text is there once, at "
    "its time. What is left out is said with its lines, and no file hangs.",
)
ONE, TWO = (1.0, 3.0), (5.0, 6.0)
AT = "00:00:01,000 --> 00:00:03,000"
THEN = "00:00:05,000 --> 00:00:06,000"
SRT = f"1\n{AT}\nFirst\n\n2\n{THEN}\nNext\n"
BOTH = [(*ONE, "First"), (*TWO, "Next")]
VTT = "WEBVTT\n\n"


def read(folder, content, name="a.srt"):
    """Start, end and text of each cue that has a text."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    rows = read_subtitles(path, PURPOSE, None)
    return [(float(row.start_s), float(row.end_s), row.text) for row in rows if row.text]


def texts(folder, content, name="a.srt"):
    return [text for _, _, text in read(folder, content, name)]


# SubRip: what lies between two lines of times


@KIND.read("an empty line, or one of blanks, inside a cue (srt)")
def _(folder):
    for gap in ("\n\n", "\n \t\n", "\n\n\n\n"):
        first = f"1\n{AT}\nFirst line,{gap}second line.\n\n2\n{THEN}{gap}Next\n\n"
        assert texts(folder, first) == ["First line, second line.", "Next"]


@KIND.read("lines that end in CR CR LF, CR LF or CR alone (srt, vtt)")
def _(folder):
    for end in ("\r\r\n", "\r\n", "\r", "\r\r\r\n"):
        assert read(folder, SRT.replace("\n", end)) == BOTH
        vtt = VTT + SRT.replace(",", ".")
        assert read(folder, vtt.replace("\n", end), "a.vtt") == BOTH


@KIND.read("characters inside a line that Python takes for line ends (srt)")
def _(folder):
    content = f"1\n{AT}\nOne\u2028two\x0bthree\x85four\x1cfive\n"
    assert texts(folder, content) == ["One two three four five"]


@KIND.read("cues without numbers, or with wrong or doubled ones (srt)")
def _(folder):
    for first, then in (
        ("", ""),
        ("1\n", ""),
        ("1\n", "1\n"),
        ("7\n", "3\n"),
        ("1\n1\n", "2\n2\n"),
    ):
        content = f"{first}{AT}\nFirst\n\n{then}{THEN}\nNext\n"
        assert read(folder, content) == BOTH


@KIND.read("cues that follow each other without an empty line (srt)")
def _(folder):
    assert read(folder, f"1\n{AT}\nFirst\n2\n{THEN}\nNext") == BOTH
    assert read(folder, f"{AT}\nFirst\n{THEN}\nNext") == BOTH


@KIND.read("a cue whose text is a number (srt)")
def _(folder):
    assert texts(folder, f"1\n{AT}\n1984\n\n2\n{THEN}\nNext\n") == ["1984", "Next"]
    assert texts(folder, f"{AT}\n42\n\n{THEN}\nNext\n") == ["42", "Next"]
    assert texts(folder, f"1\n{AT}\n\n42\n\n2\n{THEN}\n43") == ["42", "43"]


@KIND.read("cues with names instead of numbers (srt)")
def _(folder):
    assert read(folder, f"A1\n{AT}\nFirst\n\nA2\n{THEN}\nNext\n") == BOTH


@KIND.read("an empty line after every line (srt)")
def _(folder):
    assert read(folder, SRT.replace("\n", "\n\n")) == BOTH


@KIND.read("times in other forms: a point, no milliseconds, one digit, blanks, no arrowhead gap")
def _(folder):
    for start, end in (
        ("00:00:01.000", "00:00:03.000"),
        ("00:00:01", "00:00:03"),
        ("0:0:1,0", "0:0:3,0"),
        ("00:01,000", "00:03,000"),
        ("00: 00: 01, 000", "00: 00: 03, 000"),
        ("00:00:01:000", "00:00:03:000"),
        ("  00:00:01,000\t", "\t00:00:03,000  "),
    ):
        for settings in ("", " X1:040 X2:600 Y1:050 Y2:350", " align:start position:0%"):
            assert read(folder, f"1\n{start} --> {end}{settings}\nFirst\n") == BOTH[:1]
    assert read(folder, SRT.replace(" --> ", "-->")) == BOTH
    assert read(folder, "1\n100:00:01,000 --> 100:00:02,000\nlate\n")[0][0] == 360001


@KIND.read("cues before the film starts, of no length, overlapping (srt)")
def _(folder):
    content = (
        f"1\n-00:00:02,000 --> 00:00:01,500\na\n\n2\n{AT}\nb\n\n3\n{AT[:12]} --> {AT[:12]}\nc\n"
    )
    assert read(folder, content) == [(-2, 1.5, "a"), (1, 3, "b"), (1, 1, "c")]


@KIND.read("markup: tags, colours, SubStation and MicroDVD overrides, entities (srt)")
def _(folder):
    for said, expected in (
        ("<i>Hello</i> <b>you</b>", "Hello you"),
        ('<font color="#ff0000">red</font>', "red"),
        ("<i>over\ntwo lines</i>", "over two lines"),
        ("{\\an8}{\\pos(10,20)}top", "top"),
        ("{y:i}slanted", "slanted"),
        ("one\\Ntwo<br/>three", "one two three"),
        ("Tom &amp; Ann &lt;3 &#39;s &nbsp;x", "Tom & Ann <3 's x"),
        ("&amp;lt;", "&lt;"),
        ("I <3 you, R&B &copy 1 < 2 > 0", "I <3 you, R&B &copy 1 < 2 > 0"),
        ("<laughs> Press <Enter>", "<laughs> Press <Enter>"),
        ("&#" + "9" * 5000 + ";", "&#" + "9" * 5000 + ";"),
    ):
        assert texts(folder, f"1\n{AT}\n{said}\n") == [expected]


@KIND.read("the same cue twice, as a shadow below it (srt)")
def _(folder):
    assert read(folder, f"1\n{AT}\nFirst\n\n2\n{AT}\nFirst\n\n3\n{THEN}\nNext\n") == BOTH


@KIND.read("an arrow in what is said (srt)")
def _(folder):
    assert texts(folder, f"1\n{AT}\nleft --> right\n-->\n") == ["left --> right -->"]


@KIND.read("UTF-8 with and without a mark, UTF-16 (srt)")
def _(folder):
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-be"):
        mark = "\ufeff" if encoding == "utf-16-be" else ""
        content = (mark + SRT.replace("First", "Où ça")).encode(encoding)
        assert texts(folder, content) == ["Où ça", "Next"]


@KIND.read("srt under the name vtt, vtt under the name srt")
def _(folder):
    assert read(folder, SRT, "a.vtt") == BOTH
    assert read(folder, VTT + SRT.replace(",", "."), "a.srt") == BOTH


@KIND.warned("text before the first cue (srt)", "… 1 line(s) before the first … left out: 1")
def _(folder):
    assert read(folder, "Made by me\n\n" + SRT) == BOTH


@KIND.warned(
    "a number without a cue at the end (srt)", "…a.srt line 9: the file ends with the num…"
)
def _(folder):
    assert read(folder, SRT + "\n3\n") == BOTH


@KIND.refused(
    "a file that was cut within the times of a cue", "…a.srt line 10: the file ends within …"
)
def _(folder):
    for cut in ("00:00:07,000 -->", "00:00:07,000 --> 0", "00:00:07,000 --> 00:00:"):
        with pytest.raises(AnnotationError, match=r"a\.srt line 10: .* is not a pair of times"):
            read(folder, f"{SRT}\n3\n{cut}")
    for cut in ("00:0", "00:00:07,0", "00:00:07,000 ", "00:00:07,000 -"):
        with pytest.raises(AnnotationError, match=r"a\.srt line 10: the file ends within"):
            read(folder, f"{SRT}\n3\n{cut}")
    read(folder, SRT + "\n3\n00:00:07,000 --")


@KIND.refused(
    "times that cannot be", "…a.srt line 2: '00:61:00,000 … is not a pair of times such as …"
)
def _(folder):
    for times in ("00:00:61,000 --> 00:01:00,000", "00:00:01:12 --> 00:00:02:13", "1 --> 2"):
        with pytest.raises(AnnotationError, match=r"a\.srt line 2: .* is not a pair of times"):
            read(folder, f"1\n{times}\nFirst\n")
    read(folder, "1\n00:61:00,000 --> 00:62:00,000\nFirst\n")


@KIND.refused(
    "a cue hundreds of millions of hours away", "…line 6: … is beyond 1,000,000 s, where no …"
)
def _(folder):
    read(folder, f"1\n{AT}\na\n\n2\n400000000:00:00,000 --> 400000001:00:00,000\nhi\n")


@KIND.refused(
    "thousands of digits as a time", "…line 2: '9999999… is not a pair of times such as …"
)
def _(folder):
    read(folder, "1\n" + "9" * 5000 + ":00:00,000 --> 00:00:02,000\na\n")


# WebVTT


def vtt(folder, body):
    return read(folder, VTT + body, "a.vtt")


CUE = "00:00:01.000 --> 00:00:03.000\nFirst\n"
LAST = "00:00:05.000 --> 00:00:06.000\nNext\n"


@KIND.read("comments, style sheets and regions in every form (vtt)")
def _(folder):
    for block in (
        "NOTE\n",
        "NOTE one line\n",
        "NOTE\nseveral\nlines\n",
        "NOTE 00:00:01.000 --> 00:00:02.000\nleft out\n",
        "NOTE\tx\n",
        "STYLE\n::cue { color: red }\n",
        "STYLE \n::cue(b) {\n  color: red\n}\n",
        "REGION\nid:fred\nwidth:40%\n",
        "NOTE -->\n",
        "STYLE -->\n::cue {}\n",
    ):
        assert vtt(folder, f"{block}\n{CUE}\n{block}\n{LAST}\n{block}") == BOTH
        assert vtt(folder, f"{CUE}\n{LAST}\n{block.rstrip()}") == BOTH
    assert (
        read(folder, "WEBVTT - a title\nKind: captions\nLanguage: en\n\n" + CUE + "\n" + LAST)
        == BOTH
    )


@KIND.read("names of cues, also such as look like text (vtt)")
def _(folder):
    assert vtt(folder, f"Hello there\n{CUE}\n2\n{LAST}") == BOTH


@KIND.read("a line of blanks inside a cue (vtt)")
def _(folder):
    body = "00:00:01.000 --> 00:00:03.000\nFirst\n \nline\n\n" + LAST
    assert [text for _, _, text in vtt(folder, body)] == ["First line", "Next"]


@KIND.read("voices, classes, languages, times and readings of characters (vtt)")
def _(folder):
    for said, expected in (
        ("<v Ann>Hello <i.loud>you</i></v>", "Hello you"),
        ("<v.loud Ann O'Neil>Hello", "Hello"),
        ("<c.yellow.bg_blue>Hi</c> <lang en-GB>you</lang>", "Hi you"),
        ("one <00:00:02.000>two <c>three</c>", "one two three"),
        ("<ruby>漢<rt>kan</rt>字<rt>ji</rt></ruby>", "漢字"),
        ("<ruby>漢<rt>kan</ruby>", "漢"),
        ("a &lt;b&gt; &amp; c&nbsp;d &lrm;e", "a <b> & c d \u200ee"),
    ):
        body = f"00:00:01.000 --> 00:00:03.000\n{said}\n"
        assert [text for _, _, text in vtt(folder, body)] == [expected]


@KIND.read("cues without an empty line between them, a header in the middle (vtt)")
def _(folder):
    assert vtt(folder, CUE + LAST) == BOTH
    assert vtt(folder, "1\n" + CUE + "2\n" + LAST) == BOTH
    assert vtt(folder, CUE + VTT + LAST) == BOTH


@KIND.read("hours of many digits, a comma, no milliseconds (vtt)")
def _(folder):
    assert vtt(folder, "100:00:00.000 --> 100:00:01.000\nlate\n") == [(360000, 360001, "late")]
    assert vtt(folder, "00:01,000 --> 00:03\nFirst\n") == BOTH[:1]


@KIND.warned(
    "text after an empty line inside a cue (vtt)",
    "…a.vtt: 1 line(s) of text stand in no cue and are left out, as WebVTT has it …: 6",
)
def _(folder):
    assert vtt(folder, CUE + "\nlost\n\n" + LAST) == BOTH


@KIND.warned(
    "a comment of several lines around a cue (vtt)",
    "…a.vtt line 3: a NOTE block ends at the line of times below it, which WebVTT takes for a cue…",
)
def _(folder):
    assert vtt(folder, "NOTE\n" + CUE + "\n" + LAST) == BOTH


@KIND.warned(
    "segments of a stream, each with its own clock (vtt)", "… has 2 different X-TIMESTAMP-MAP…"
)
def _(folder):
    head = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{},LOCAL:00:00:00.000\n\n"
    assert read(folder, head.format(900000) + CUE + "\n" + head.format(0) + LAST, "a.vtt") == BOTH


ROLLING = """00:00:00.160 --> 00:00:02.389 align:start position:0%
 
hello<00:00:00.480><c> big</c><00:00:01.200><c> world</c>

00:00:02.389 --> 00:00:02.399 align:start position:0%
hello big world
 

00:00:02.399 --> 00:00:04.550 align:start position:0%
hello big world
the<00:00:03.000><c> next</c>

00:00:04.550 --> 00:00:04.560 align:start position:0%
the next
 

00:00:04.560 --> 00:00:06.000 align:start position:0%
the next
last
"""


@KIND.warned(
    "automatic captions that roll (vtt)",
    "…a.vtt: its captions roll: 4 of 5 cues repeat what the one before them shows; each line is …",
)
def _(folder):
    found = vtt(folder, ROLLING)
    assert [text for _, _, text in found] == ["hello", "big", "world", "the", "next", "last"]
    assert [start for start, _, _ in found] == [0.16, 0.48, 1.2, 2.399, 3, 4.56]


@KIND.warned(
    "captions of television that roll, or grow word by word (srt)",
    "…a.srt: its captions roll: 2 of 3 cues repeat what the one before them shows; each line is …",
)
def _(folder):
    def rolled(*cues):
        return "\n\n".join(
            f"{k}\n00:00:0{k},000 --> 00:00:0{k + 1},000\n{cue}" for k, cue in enumerate(cues)
        )

    assert texts(folder, rolled("I", "I want", "I want tea")) == ["I", "want", "tea"]
    assert texts(folder, rolled("a b", "a b\nc d", "c d\ne f")) == ["a b", "c d", "e f"]


@KIND.read("a text that is said again at once (srt)")
def _(folder):
    cues = ["No!", "No!", "Stop.", "Go on.", "Go on."]
    content = "\n\n".join(
        f"{k}\n00:00:0{k},000 --> 00:00:0{k + 1},000\n{cue}" for k, cue in enumerate(cues)
    )
    assert texts(folder, content) == cues


# Files of other kinds


@KIND.refused(
    "other kinds of subtitles under the name srt", "…a.srt: is MicroDVD (its times are frames)…"
)
def _(folder):
    for content, kind in (
        (
            "[Script Info]\nTitle: x\n\n[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,D,,0,0,0,,x\n",
            "ass",
        ),
        ("0:00:01.000,0:00:02.000\nhello\n", "sbv"),
        ('<?xml version="1.0"?><tt xmlns="http://www.w3.org/ns/ttml"></tt>', "TTML"),
        ("<SAMI><BODY><SYNC Start=1>x</SAMI>", "SAMI"),
        ("[00:01.00]hello\n[00:02.00]you\n", "lrc"),
        ("[10][20]hello", "MPL2"),
        ('{"text": "hello", "segments": []}', "JSON"),
        ("<!DOCTYPE html><html>Not found</html>", "web page"),
        ("00:00:01:hello\n", "TMPlayer"),
    ):
        with pytest.raises(AnnotationError, match=rf"a\.srt: is .*{kind}.*convert it"):
            read(folder, content)
    read(folder, "{10}{20}hello\n{30}{40}you\n")


@KIND.refused("an empty file", "…a.srt: is empty: name a file with cues, or leave 'text' empty")
def _(folder):
    for content in ("\n \n", "\ufeff"):
        with pytest.raises(AnnotationError, match="is empty"):
            read(folder, content)
    read(folder, "")


@KIND.refused(
    "a header without cues (vtt)", "…a.vtt: holds no cues with times such as … below its header"
)
def _(folder):
    vtt(folder, "")


@KIND.refused("no line of times (srt)", "…a.srt: holds no cues with times such as …")
def _(folder):
    read(folder, "just text\n00:00:01 -> 2\n")
