"""Sound of a film, mono, in scanner time, at the codec's rate."""

from __future__ import annotations

import wave
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np

from giblet import notices
from giblet.errors import MediaError
from giblet.stimulus.channels import Mixer, Samples
from giblet.stimulus.media import Film, decoded, open_film, run_end, run_length
from giblet.stimulus.tracks import MEDIA_FAULTS, fault_text
from giblet.store import replacing
from giblet.timing import Exact, as_fraction, n_items

# Containers round time stamps (Matroska to 1 ms); a jump smaller than this is rounding.
JITTER_S = Fraction(1, 100)
BLOCK = 65536
FULL_SCALE_16 = 32768


def extract_audio(
    movie: str | Path,
    sound: str | Path,
    *,
    tr_s: Exact,
    movie_onset_s: Exact = 0,
    n_trs: int = 0,
    sample_rate_hz: int,
    missing: str = "silence",
    damaged: str = "error",
) -> None:
    """Write the sound heard during a run as a mono 16-bit WAV file.

    Sample i is at i / `sample_rate_hz` s of scanner time; there are exactly
    ``timing.n_items(n_trs, tr_s, sample_rate_hz)``, silent where the film has no sound.

    Parameters
    ----------
    movie_onset_s
        Scanner time at which the film starts.
    n_trs
        Length of the run; 0 for as many whole TRs as the film covers.
    missing
        What to do with a film without sound: ``silence`` (with a warning) or ``error``.
    damaged
        ``error`` or ``partial``, see :func:`giblet.stimulus.media.decoded`.

    Raises
    ------
    MediaError
        If the film cannot be read, or has no sound and `missing` is ``error``.
    """
    n_trs = run_length(movie, tr_s, movie_onset_s, n_trs, damaged)
    n_samples = n_items(n_trs, tr_s, sample_rate_hz)
    with open_film(movie, run_end(n_trs, tr_s, movie_onset_s)) as film:
        mixer = Mixer(film.path)
        blocks = _in_scanner_time(film, movie_onset_s, sample_rate_hz, missing, damaged, mixer)
        _write(sound, exactly(blocks, n_samples), sample_rate_hz)
        mixer.tell()


def _in_scanner_time(
    film: Film,
    movie_onset_s: Exact,
    sample_rate_hz: int,
    missing: str,
    damaged: str,
    mixer: Mixer,
) -> Iterator[Samples]:
    """Sound from scanner time 0, at the rate asked for."""
    if film.audio is None:
        if missing == "error":
            raise MediaError(
                f"{film.path}: has no sound: name a film with an audio stream, set "
                "stimulus/audio/missing to 'silence', or leave audio out of config key 'modalities'"
            )
        notices.warn(f"{film.path}: has no sound; silence is used instead")
        return
    heard = mono(film, damaged, mixer)
    first = next(heard, None)
    if first is None:
        notices.warn(f"{film.path}: its audio stream is empty; silence is used")
        return
    # Scanner time 0 as film time.
    start = -as_fraction(movie_onset_s, "movie_onset_s")
    unbroken = continuous(chain([first], heard), mixer.rate, start)
    yield from resampled(unbroken, mixer.rate, sample_rate_hz)


def mono(film: Film, damaged: str, mixer: Mixer) -> Iterator[tuple[Fraction, Samples]]:
    """Decoded blocks mixed down to one channel.

    Yields
    ------
    (film time of the first sample in s, samples in -1..1)
        At the mixer's rate, that of the first block, throughout.
    """
    for time, frame in decoded(film, film.audio, damaged):
        if not frame.samples or not frame.sample_rate:
            continue
        try:
            samples = mixer.mix(frame, time)
        except MEDIA_FAULTS as error:
            raise MediaError(
                f"{film.path}: its sound ({frame.layout.name}, {frame.format.name}, "
                f"{frame.sample_rate} Hz) cannot be mixed to one channel ({fault_text(error)}): "
                "convert it to stereo"
            ) from error
        if len(samples):
            yield time, samples


def continuous(
    blocks: Iterable[tuple[Fraction, Samples]], rate_hz: int, start_s: Fraction
) -> Iterator[Samples]:
    """One unbroken signal from `start_s` on, each block where its time stamp says.

    Gaps become silence, overlaps are cut, what lies before `start_s` is left out. Jumps
    within `JITTER_S` are the container's rounding and are ignored; they are measured
    against the true time, so they cannot add up.
    """
    jitter = JITTER_S * rate_hz
    position = 0
    for time, samples in blocks:
        jump = nearest(time, start_s, rate_hz) - position
        if position and abs(jump) <= jitter:
            jump = 0
        for done in range(0, jump, BLOCK):
            yield np.zeros(min(BLOCK, jump - done), np.float32)
        kept = samples[max(0, -jump) :]
        position += max(0, jump) + len(kept)
        if len(kept):
            yield kept


def nearest(time_s: Fraction, start_s: Fraction, rate_hz: int) -> int:
    """``round((time_s - start_s) * rate_hz)``, without making three fractions of it."""
    below = time_s.denominator * start_s.denominator
    above = time_s.numerator * start_s.denominator - start_s.numerator * time_s.denominator
    whole, rest = divmod(above * rate_hz, below)
    return whole + (2 * rest > below or (2 * rest == below and whole % 2 == 1))


def resampled(blocks: Iterable[Samples], rate_hz: int, new_rate_hz: int) -> Iterator[Samples]:
    """Change the sampling rate of a stream with soxr; its first sample stays at time 0."""
    if rate_hz == new_rate_hz:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(rate_hz, new_rate_hz, 1, dtype="float32", quality="HQ")
    for samples in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(samples))
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def exactly(blocks: Iterable[Samples], n_samples: int) -> Iterator[Samples]:
    """Cut a stream, or lengthen it with silence, to `n_samples`."""
    left = n_samples
    for samples in blocks:
        yield samples[:left]
        left -= min(left, len(samples))
        if not left:
            return
    while left:
        yield np.zeros(min(BLOCK, left), np.float32)
        left -= min(BLOCK, left)


def _write(path: str | Path, blocks: Iterable[Samples], rate_hz: int) -> None:
    with replacing(path) as partial, wave.open(str(partial), "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", "not compressed"))
        for samples in blocks:
            scaled = np.rint(samples * FULL_SCALE_16)
            clipped = np.clip(scaled, -FULL_SCALE_16, FULL_SCALE_16 - 1)
            file.writeframesraw(clipped.astype("<i2").tobytes())
