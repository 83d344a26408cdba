"""The sounds of the bake-off: excerpts of the study's runs and of files the user names."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.errors import ConfigError, MediaError
from giblet.features.recordings import mono_blocks
from giblet.results import made_sound, read_made_table, require_numbers
from giblet.timing import Exact, trs_overlapping

HERE = "features/benchmark_codecs"
SPEECH, MIXED = "speech", "mixed"
# Share of an excerpt during which something is said, for it to count as speech.
SPOKEN_SHARE = 0.5
# Shorter sounds have too few frames for the scores.
SHORTEST_S = 1.0


@dataclass(frozen=True)
class Sound:
    """An excerpt.

    Attributes
    ----------
    kind : ``speech``, ``music`` or ``mixed``
    start_s : where it begins in its file, s
    samples : mono, shape (n,), float32, full scale 1
    """

    name: str
    kind: str
    start_s: float
    samples: NDArray[np.float32]


def drawn_runs(names: Sequence[str], max_runs: int, seed: int) -> list[str]:
    """At most `max_runs` names, drawn with `seed`, in their order."""
    if len(names) <= max_runs:
        return list(names)
    chosen = np.random.default_rng(seed).choice(len(names), max_runs, replace=False)
    return [names[at] for at in sorted(chosen)]


def run_sound(
    audio: str | Path,
    text: str | Path,
    *,
    run: str,
    tr_s: Exact,
    sample_rate_hz: int,
    seconds: float,
    seed: int,
) -> Sound:
    """Excerpt of a run's sound.

    It counts as speech when the annotation says that something is said during at least half of
    it, as mixed otherwise, also where the annotation does not say.

    Raises
    ------
    MediaError
        If the sound has another rate, or the table does not tell speech.
    """
    with made_sound(audio) as file:
        if file.samplerate != sample_rate_hz:
            raise MediaError(
                f"{audio}: sampled at {file.samplerate} Hz, features/audio/sample_rate_hz is "
                f"{sample_rate_hz}: run stimulus again at that rate"
            )
        start, length = excerpt(file.frames, sample_rate_hz, seconds, seed, run)
        file.seek(start)
        samples = file.read(length, dtype="float32")
    table = read_made_table(text, plain=True)
    if "speech" not in table:
        raise MediaError(f"{text}: no column 'speech': run stimulus again")
    require_numbers(text, table[["speech"]])
    begin, end = start / sample_rate_hz, (start + length) / sample_rate_hz
    during = list(trs_overlapping(begin, end, tr_s, len(table)))
    # The mean of no TR, or of one that is not known, is no number, and no speech.
    spoken = bool(during) and table["speech"].to_numpy(float)[during].mean() >= SPOKEN_SHARE
    return Sound(run, SPEECH if spoken else MIXED, begin, samples)


def file_sound(
    path: str | Path, kind: str, *, sample_rate_hz: int, seconds: float, seed: int
) -> Sound:
    """Excerpt of any file with sound (also of films), mixed to mono and resampled.

    Raises
    ------
    ConfigError
        If there is no such file.
    MediaError
        If it cannot be read as sound, or is shorter than a second.
    """
    key = f"{HERE}/{kind}_files"
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"{key} names {str(path)!r}, which is not a file: correct or remove it")
    samples = np.concatenate(
        [np.zeros(0, np.float32), *_resampled(path, key, sample_rate_hz)], dtype=np.float32
    )
    if len(samples) < SHORTEST_S * sample_rate_hz:
        raise MediaError(
            f"{key} names {str(path)!r}, which has {len(samples) / sample_rate_hz:g} s of sound: "
            f"name a file with {SHORTEST_S:g} s or more"
        )
    start, length = excerpt(len(samples), sample_rate_hz, seconds, seed, path.name)
    return Sound(path.stem, kind, start / sample_rate_hz, samples[start : start + length])


def excerpt(
    n_samples: int, sample_rate_hz: int, seconds: float, seed: int, name: str
) -> tuple[int, int]:
    """Start and length of an excerpt, drawn with the seed and the sound's name.

    The whole sound where it is shorter than `seconds`.
    """
    length = min(n_samples, round(seconds * sample_rate_hz))
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return int(rng.integers(0, n_samples - length + 1)), length


def _resampled(path: Path, key: str, sample_rate_hz: int) -> Iterator[NDArray[np.float32]]:
    """The first audio stream of a file, mono, in pieces."""
    import av
    import soxr

    unreadable = f"{key} names {str(path)!r}, which cannot be read as sound"
    stream = None
    try:
        for rate_hz, block in mono_blocks(path):
            stream = stream or soxr.ResampleStream(
                rate_hz, sample_rate_hz, 1, dtype="float32", quality="VHQ"
            )
            yield stream.resample_chunk(block)
    except av.error.FFmpegError as error:
        raise MediaError(f"{unreadable} ({error}): play it in a media player, or remove it") from (
            error
        )
    if stream is None:
        raise MediaError(f"{unreadable}: it has no sound: name another file")
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
