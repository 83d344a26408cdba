"""Plain text of subtitles: without tags, overrides and entities."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from giblet.stimulus.rows import one_line

# In WebVTT whatever stands in angle brackets is a tag: <v Ann>, <c.loud>, <00:00:01.000>.
TAG = re.compile(r"</?[A-Za-z0-9.:][^<>]*>")
# In SubRip players know these and show the others: <laughs>, <Enter>.
KNOWN_TAG = re.compile(
    r"</?(?:b|i|u|s|em|strong|font|span|br|p|div|c|v|lang|ruby|rt)(?:[ \t.=/][^<>]*)?>"
    r"|<[0-9]{1,9}:[0-9:.]{1,30}>",
    re.IGNORECASE,
)
LINE_BREAK = re.compile(r"<br */?>|\\N|\\h", re.IGNORECASE)
# How a word is read is no further word.
READING = re.compile(r"<rt(?:[ .][^<>]*)?>[^<>]*(?:</rt>)?", re.IGNORECASE)
# SubStation's {\an8} and MicroDVD's {y:i}.
OVERRIDE = re.compile(r"\{(?:\\[^{}]*|[yYfFsScCpPoOhH]:[^{}]*)\}")
ENTITY = re.compile(r"&(?:#[0-9]{1,8}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")


def plain(lines: Sequence[str], *, only_known: bool) -> str:
    """Text of some lines on one line.

    Parameters
    ----------
    only_known : whether tags that players do not know are text, as in SubRip

    >>> plain(["<v Ann>Hi &amp; <i>bye</i>", "{\\\\an8}<b>now</b>"], only_known=False)
    'Hi & bye now'
    """
    text = "\n".join(lines)
    if "<" in text or "{" in text or "\\" in text:
        text = LINE_BREAK.sub(" ", OVERRIDE.sub("", text))
        text = (KNOWN_TAG if only_known else TAG).sub("", READING.sub("", text))
    if "&" in text:
        # Once: "&amp;lt;" is the text "&lt;".
        text = ENTITY.sub(lambda found: html.unescape(found[0]), text)
    return one_line(text)
