"""Bake-off: ways to store the study's sound, from neural codecs to plain spectra, compared.

Every entrant gets the same excerpts; what it stores is counted to the bit and what comes back
is scored against the original.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from giblet.errors import ConfigError
from giblet.features.bakeoff_figure import draw
from giblet.features.bakeoff_methods import (
    Entrant,
    NeuralCodec,
    Settings,
    Skipped,
    codec_label,
    entrants,
)
from giblet.features.bakeoff_scores import Samples, scores, sent_through
from giblet.features.bakeoff_sounds import Sound, drawn_runs, file_sound, run_sound
from giblet.features.bakeoff_table import write_tables
from giblet.features.codec import Codec
from giblet.store import replacing
from giblet.timing import Exact, as_fraction

Row = dict[str, Any]


def benchmark_codecs(
    audio: Sequence[str | Path],
    text: Sequence[str | Path],
    *,
    folder: str | Path,
    runs: Sequence[str],
    tr_s: Exact,
    sample_rate_hz: int,
    codec: str,
    n_codebooks: int | None,
    bandwidth_kbps: Exact | None,
    revision: str | None,
    seed: int,
    speech_files: Sequence[str],
    music_files: Sequence[str],
    mixed_files: Sequence[str],
    max_runs: int,
    seconds: float,
    listen_s: float,
    dpi: int,
    **entering: Any,
) -> None:
    """Write ``scores.csv``, ``table.csv``, ``table.md``, ``codecs.png`` and ``sounds/*.wav``.

    Parameters
    ----------
    audio, text
        Sound and words of each of `runs`, as the stimulus stage wrote them.
    sample_rate_hz, codec, n_codebooks, bandwidth_kbps, revision
        The study's own setting (``features/audio``), which always enters; everything is
        scored at this rate.
    entering
        The fields of :class:`giblet.features.bakeoff_methods.Settings` but the seed.

    Raises
    ------
    ConfigError, MediaError
        If a method is unknown, or a file that the settings name cannot be used.
    CodecError, PretrainedModelError
        If the study's own codec cannot be used.
    """
    loaded = Codec.load(codec, sample_rate_hz, n_codebooks, bandwidth_kbps, revision=revision)
    label = codec_label(codec, sample_rate_hz, float(loaded.bandwidth_kbps))
    about: dict[str, Any] = {"sample_rate_hz": sample_rate_hz, "seconds": seconds, "seed": seed}
    competing = with_own(
        list(entrants(Settings(seed=seed, **entering), sample_rate_hz)), NeuralCodec(label, loaded)
    )
    sounds = []
    for run in drawn_runs(runs, max_runs, seed):
        at = list(runs).index(run)
        heard: dict[str, Any] = {"run": run, "tr_s": tr_s}
        sounds.append(run_sound(audio[at], text[at], **heard, **about))
    named = {"speech": speech_files, "music": music_files, "mixed": mixed_files}
    sounds += [file_sound(path, kind, **about) for kind in named for path in named[kind]]
    if not sounds:
        raise ConfigError(
            "features/benchmark_codecs: nothing to measure: max_runs is 0 and no file is named"
        )
    folder = Path(folder)
    scored = rows(
        competing,
        told_apart(sounds),
        sample_rate_hz,
        as_fraction(tr_s),
        folder / "sounds",
        listen_s,
    )
    draw(write_tables(list(scored), label, folder), folder / "codecs.png", dpi)


def with_own(competing: Sequence[Entrant | Skipped], own: NeuralCodec) -> list[Entrant | Skipped]:
    """The entrants, the study's own codec among them: put in where it is missing."""
    if any(entrant.label == own.label for entrant in competing):
        return list(competing)
    return [*competing, own]


def rows(
    competing: Sequence[Entrant | Skipped],
    sounds: Sequence[Sound],
    sample_rate_hz: int,
    tr_s: Fraction,
    wavs: Path,
    listen_s: float,
) -> Iterator[Row]:
    """One row per entrant and sound; one per skipped entrant, with its reason. Writes WAVs."""
    began = time.monotonic()
    running = [entrant for entrant in competing if not isinstance(entrant, Skipped)]
    for entrant in competing:
        if isinstance(entrant, Skipped):
            print(f"skipped: {entrant.label}: {entrant.reason}")
            yield {"entrant": entrant.label, "family": entrant.family, "note": entrant.reason}
    for at, entrant in enumerate(running):
        for sound in sounds:
            outcome = sent_through(entrant, sound.samples, sample_rate_hz)
            found = scores(sound.samples, outcome.samples, sample_rate_hz, sound.kind)
            write_wav(wavs, sound.name, entrant.label, outcome.samples, sample_rate_hz, listen_s)
            yield {
                "entrant": entrant.label,
                "family": entrant.family,
                "sound": sound.name,
                "kind": sound.kind,
                "start_s": sound.start_s,
                "length_s": len(sound.samples) / sample_rate_hz,
                "kbps": outcome.kbps,
                "frames_per_tr": float(entrant.frame_rate_hz * tr_s),
                **found,
                "encode_x": outcome.encode_x,
                "decode_x": outcome.decode_x,
            }
        spent = time.monotonic() - began
        left = spent / (at + 1) * (len(running) - at - 1)
        print(
            f"{at + 1} of {len(running)}: {entrant.label}, {spent:.0f} s, about {left:.0f} s left"
        )


def write_wav(
    folder: Path, sound: str, label: str, samples: Samples, rate_hz: int, listen_s: float
) -> None:
    """Write the first `listen_s` of what came back as ``{sound}_{label}.wav``, 16 bit."""
    import soundfile

    kept = np.clip(samples[: round(listen_s * rate_hz)], -1, 1)
    with replacing(folder / f"{slug(sound)}_{slug(label)}.wav") as partial:
        soundfile.write(partial, kept, rate_hz, subtype="PCM_16")


def slug(text: str) -> str:
    """A name for files: ``mel 40 bands, 8 bits`` becomes ``mel-40-bands-8-bits``."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower().replace("µ", "mu")).strip("-")


def told_apart(sounds: Sequence[Sound]) -> list[Sound]:
    """The sounds with a number added to names that occur again."""
    seen: dict[str, int] = {}
    out = []
    for sound in sounds:
        count = seen[sound.name] = seen.get(sound.name, 0) + 1
        out.append(sound if count == 1 else replace(sound, name=f"{sound.name}-{count}"))
    return out
