"""Whether the codec's bits are what they should be and all its codebooks are in use.

    python benchmarks/codec_rate.py

Runs ``features_audio`` over an hour of synthesised speech, music and effects that no training
saw (another seed), and counts what stands in the file: bits a second of the run, last padded
frame included, and for each codebook the codes in use and their perplexity (2 to the entropy,
of as many as the codebook has). The same for real recordings, where they are. Exits with 1 on
a shortfall.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
HELD_OUT_SEED = 20_261_124
TRAINING_SEED = 1
# An odd TR, so that the run ends within a codec frame, which is padded.
TR_S = "1.49"
RATE_TOLERANCE = 0.001
PERPLEXITY = 300
# Of a few minutes at most, which cannot fill a codebook: fewer codes than this are a dead one.
REAL_PERPLEXITY = 50

Sound = NDArray[np.float32]


def held_out(sample_rate_hz: int, minutes: float, seed: int) -> Sound:
    """Synthesised speech (two thirds), music and effects, in turn, `minutes` in all."""
    from giblet.features.codec_material import synthetic_pool

    pool = synthetic_pool(sample_rate_hz, minutes * 2 / 3, seed)
    turn = 20 * sample_rate_hz
    speech = np.split(pool.speech, range(2 * turn, len(pool.speech), 2 * turn))
    other = np.split(pool.other, range(turn, len(pool.other), turn))
    parts = [part for pair in zip(speech, other, strict=False) for part in pair]
    return np.concatenate(parts)


def real_recordings(sample_rate_hz: int) -> Iterator[tuple[str, Sound]]:
    """Recordings beside the checkout, mono at a rate; none where there are none."""
    import soundfile
    import soxr

    from giblet.stimulus.audio import extract_audio

    for path in sorted(REAL.glob("*.flac")):
        sound, found_hz = soundfile.read(path, dtype="float32", always_2d=True)
        yield path.name, soxr.resample(sound.mean(axis=1), found_hz, sample_rate_hz)
    for path in sorted(REAL.glob("*.mp4")):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "audio.wav"
            extract_audio(path, out, tr_s=TR_S, sample_rate_hz=sample_rate_hz, n_trs=0)
            yield path.name, soundfile.read(out, dtype="float32")[0]


def written_codes(sound: Sound, codec: str, sample_rate_hz: int) -> tuple[NDArray[np.int16], float]:
    """Codes that ``features_audio`` writes of a run, and the bits a second they make."""
    import soundfile

    from giblet.features.audio import extract_audio
    from giblet.store import reading
    from giblet.timing import n_items

    n_trs = int(Fraction(len(sound), sample_rate_hz) / Fraction(TR_S))
    n_samples = n_items(n_trs, TR_S, sample_rate_hz)
    with tempfile.TemporaryDirectory() as folder:
        audio, out = Path(folder) / "audio.wav", Path(folder) / "audio.h5"
        soundfile.write(audio, sound[:n_samples], sample_rate_hz, subtype="PCM_16")
        extract_audio(
            audio, out, run="run-1", tr_s=TR_S, codec=codec, sample_rate_hz=sample_rate_hz
        )
        with reading(out, stage="features") as file:
            codes = file["codes"][:]
            bits = int(file.attrs["codebook_size"] - 1).bit_length()
    return codes, codes.size * bits * sample_rate_hz / n_samples


def report(name: str, codes: NDArray[np.int16], wanted: float) -> bool:
    """Print a row per codebook; whether all reach the perplexity that is wanted."""
    from giblet.features.codec_quality import perplexity

    print(f"{name}: {codes.shape[1]} frames")
    print("  codebook    codes in use    perplexity")
    found = [perplexity(row) for row in codes]
    for level, (row, value) in enumerate(zip(codes, found, strict=True), 1):
        flag = "" if value >= wanted else f"   below {wanted:g}"
        print(f"  {level:8d} {len(np.unique(row)):15d} {value:13.1f}{flag}")
    return min(found) >= wanted


def main() -> None:
    """Count, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--codec", default="giblet-12khz")
    parser.add_argument("--sample-rate-hz", type=int, default=12000)
    parser.add_argument("--bits-per-s", type=float, default=3000)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED)
    chosen = parser.parse_args()
    if chosen.seed == TRAINING_SEED:
        parser.error(f"seed {chosen.seed} is the one the codec is trained with: choose another")
    sound = held_out(chosen.sample_rate_hz, chosen.minutes, chosen.seed)
    codes, bits_per_s = written_codes(sound, chosen.codec, chosen.sample_rate_hz)
    off = bits_per_s / chosen.bits_per_s - 1
    print(f"{bits_per_s:.4f} bit/s of a run of {chosen.minutes:g} min ({off:+.5%})")
    fine = abs(off) <= RATE_TOLERANCE
    fine &= report("held-out speech, music and effects", codes, PERPLEXITY)
    for name, real in real_recordings(chosen.sample_rate_hz):
        codes, _ = written_codes(real, chosen.codec, chosen.sample_rate_hz)
        fine &= report(name, codes, REAL_PERPLEXITY)
    print("all as it should be" if fine else "falls short")
    sys.exit(not fine)


if __name__ == "__main__":
    main()
