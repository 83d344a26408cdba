"""Subtitles: SubRip (srt) and WebVTT (vtt)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from giblet import notices
from giblet.cells import Purpose, read_text
from giblet.errors import AnnotationError
from giblet.stimulus import subrip, webvtt
from giblet.stimulus.cues import ARROW, Cue, normal_lines
from giblet.stimulus.markup import plain
from giblet.stimulus.rolling import Shown, roll, timed_words, unrolled
from giblet.stimulus.rows import Row

# "[door slams]", "(sighs)" and music are heard but not said.
SOUND = re.compile(r"(\s*(\[[^\]]*\]|\([^)]*\)|[♪♫][^♪♫]*[♪♫]?))*\s*")
# How other kinds of subtitles begin that are found under these names.
OTHERS = {
    "MicroDVD (its times are frames)": r"\{[0-9]+\}\{[0-9]*\}",
    "MPL2": r"\[[0-9]+\]\[[0-9]*\]",
    "SubStation Alpha (ass)": r"\[Script Info\]|\[V4\+? Styles\]|Dialogue: ",
    "SubViewer (sbv or sub)": (
        r"[0-9]+:[0-9]{2}:[0-9]{2}\.[0-9]{2,3},[0-9]+:[0-9]{2}|\[INFORMATION\]"
    ),
    "TTML or another kind of XML": r"<\?xml|<tt\b",
    "SAMI": r"<SAMI",
    "a web page": r"<!DOCTYPE|<html",
    "lyrics (lrc)": r"\[[0-9]+:[0-9]{2}[.:][0-9]+\]|\[(?:ti|ar|al|by):",
    "TMPlayer": r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}[:=,]",
    "Scenarist captions (scc)": r"Scenarist_SCC",
    "an index of pictures (VobSub)": r"# VobSub",
    "JSON": r"[\[{]\s*[\"{\[]",
}


def read_subtitles(path: str | Path, purpose: Purpose, encoding: str | None) -> list[Row]:
    """Cues of an srt or vtt file, in the order of the file.

    What it is shows in its content: a file that begins with ``WEBVTT`` is read by the rules of
    :mod:`giblet.stimulus.webvtt`, any other by those of :mod:`giblet.stimulus.subrip`. Markup,
    speaker tags and cue settings are left out; the lines of a cue are joined. Cues are speech,
    except those that hold only sounds in brackets or music.

    Raises
    ------
    AnnotationError
        If a time cannot be read, or there are no cues.
    """
    text = read_text(path, purpose, encoding).lstrip("\ufeff")
    lines = normal_lines(text)
    in_webvtt = webvtt.is_webvtt(lines)
    cues = webvtt.parse(path, lines) if in_webvtt else subrip.parse(path, lines)
    if not cues:
        raise AnnotationError(f"{path}: {_what_else(text, in_webvtt)}")
    return _rows(path, cues, only_known=not in_webvtt)


def _what_else(text: str, in_webvtt: bool) -> str:
    """Why a file has no cues."""
    start = text.lstrip()
    for name, pattern in OTHERS.items():
        if re.match(pattern, start, re.IGNORECASE):
            return (
                f"is {name}, not srt or vtt: convert it, as by ffmpeg -i INPUT OUTPUT.srt or a "
                "subtitle editor"
            )
    if not start:
        return "is empty: name a file with cues, or leave 'text' empty for a run without text"
    nothing = " below its header" if in_webvtt else ""
    return (
        f"holds no cues with times such as 00:00:01,000 {ARROW} 00:00:02,500{nothing}: leave "
        "'text' empty in the runs table for a run without text"
    )


def _rows(path: str | Path, cues: Sequence[Cue], *, only_known: bool) -> list[Row]:
    shown = []
    seen = set()
    for cue in cues:
        pairs = [(plain([raw], only_known=only_known), raw) for raw in cue.lines]
        lines = tuple(text for text, _ in pairs if text)
        key = cue.start_s, cue.end_s, lines
        if key not in seen:  # a cue that stands there twice, as those with a shadow do
            seen.add(key)
            raw = tuple(raw for text, raw in pairs if text)
            shown.append(Shown(cue.line, cue.start_s, cue.end_s, lines, raw))
    if not roll(shown):
        whole = {cue.line: cue.lines for cue in cues}
        return [_row(one, _joined(one, whole[one.line], only_known)) for one in shown]
    fresh = unrolled(shown)
    repeats = sum(a.lines != b.lines for a, b in zip(shown, fresh, strict=True))
    notices.warn(
        f"{path}: its captions roll: {repeats} of {len(shown)} cues repeat what the one before "
        "them shows; each line is taken once, where it is new"
    )
    rows = []
    for one in fresh:
        for start_s, end_s, piece in timed_words(one):
            said = plain([piece], only_known=only_known)
            if said:
                rows.append(_row(Shown(one.line, start_s, end_s, (), ()), said))
    return rows


def _joined(shown: Shown, lines: Sequence[str], only_known: bool) -> str:
    """Text of a cue, whose tags may go over several lines."""
    if all(raw.count("<") == raw.count(">") for raw in lines):
        return " ".join(shown.lines)
    return plain(lines, only_known=only_known)


def _row(cue: Shown, said: str) -> Row:
    return Row(cue.start_s, cue.end_s, said, cue.line, speech=not SOUND.fullmatch(said))
