"""Exceptions a user can act on.

Every message names the file or key, both values that disagree, and what to type. Each
family is raised where the bad thing is first seen; jobs print the message without a
traceback (see :mod:`giblet.jobs`).
"""

from __future__ import annotations

import unicodedata

# A cell of a megabyte, or the names of a thousand columns, would hide what is said of them.
LONGEST = 1000
# Line breaks and other control characters, direction marks, halves of characters.
UNSHOWN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def one_line(message: str) -> str:
    """A message as one line that a terminal shows as it is.

    What is not shown is written as Python writes it (``\\n``); a very long message loses its
    middle, since it begins with the file and ends with what to do.
    """
    if not message.isprintable():
        message = "".join(map(_shown, message))
    if len(message) > LONGEST:
        message = f"{message[: LONGEST * 2 // 3]} ... {message[-LONGEST // 3 :]}"
    return message


def _shown(character: str) -> str:
    if unicodedata.category(character) in UNSHOWN:
        return character.encode("unicode_escape").decode()
    return character


class GibletError(Exception):
    """Base of all errors that are the input's fault rather than the program's.

    Its message is one line, whatever stands in the names and values that it shows.
    """

    exit_status = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


class ConfigError(GibletError):
    """A configuration value or key that cannot be used."""


class TableError(ConfigError):
    """A runs, scans or annotation table whose rows or columns cannot be used."""


class StoreError(GibletError):
    """A cached file that is missing, damaged, or not what its reader expects."""


class MediaError(GibletError):
    """A film or sound file that cannot be opened or decoded as asked."""


class AnnotationError(GibletError):
    """An annotation, transcript or subtitle file that cannot be read as timed text."""


class BrainError(GibletError):
    """A scan, mask, atlas or confounds file that cannot be used."""


class AlignError(GibletError):
    """Stimulus and brain that cannot be laid on one time axis, or an impossible split."""


class CodecError(GibletError):
    """Audio codec settings that contradict each other or the codec's weights."""


class PretrainedModelError(GibletError):
    """A pretrained model that is not on this machine and cannot be fetched."""


class ModelError(GibletError):
    """A network whose configured sizes break a rule of the architecture."""


class TrainError(GibletError):
    """Training that cannot start, continue or resume."""


class Stopped(TrainError):
    """Training that was asked to stop and can go on from where it is."""

    exit_status = 75  # EX_TEMPFAIL of sysexits.h: try again later


class ValidationError(GibletError):
    """Predictions that cannot be scored against the study."""


class RemoteError(GibletError):
    """A machine reached over ssh, or a run on it, that cannot do what was asked.

    Lists of files stand on lines of their own.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__()
        self.args = (str(message),)


class MissingExtraError(GibletError):
    """An optional package that a configured feature needs."""


class WatchError(GibletError):
    """A study or a job that cannot be looked at."""
