"""What streaming costs: memory of a long run against a short one, time against the bare network.

    python benchmarks/codec_stream.py

*Memory*: ``features_audio`` on a run of 3 h and on one of 5 min, each in a process of its own;
the long one's peak may be 1.2 times the short one's. *Time*: the codec's encoding of a stream in
pieces against the network alone (the library's encoder and quantiser) on the same pieces, one
thread, turn about in one process; the median ratio may be 1.1. Exits with 1 on a shortfall.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TR_S = "1.5"
MEMORY_RATIO = 1.2
TIME_RATIO = 1.1
CHUNK_S = 30


def write_noise(path: Path, minutes: float, sample_rate_hz: int) -> None:
    """Noise of a whole number of TRs, written a minute at a time."""
    import soundfile

    rng = np.random.default_rng(0)
    left = round(minutes * 60 * sample_rate_hz)
    with soundfile.SoundFile(path, "w", sample_rate_hz, 1, "PCM_16") as sound:
        while left:
            n = min(left, 60 * sample_rate_hz)
            sound.write(0.1 * rng.standard_normal(n).astype(np.float32))
            left -= n


def extract(audio: Path, out: Path, codec: str, sample_rate_hz: int) -> None:
    """Run ``features_audio`` on a file and print the peak memory of this process in MiB."""
    import torch

    from giblet.features.audio import extract_audio

    torch.set_num_threads(1)
    extract_audio(audio, out, run="run-1", tr_s=TR_S, codec=codec, sample_rate_hz=sample_rate_hz)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def peak_mib(minutes: float, codec: str, sample_rate_hz: int) -> float:
    """Peak memory of encoding a run of some minutes, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        audio = Path(folder) / "audio.wav"
        write_noise(audio, minutes, sample_rate_hz)
        command = [sys.executable, __file__, "--extract", str(audio), "--codec", codec]
        command += ["--sample-rate-hz", str(sample_rate_hz)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr[-4000:])
        return float(done.stdout.split()[-1])


def timings(codec: str, sample_rate_hz: int, repeats: int, n_chunks: int) -> dict[str, Any]:
    """Seconds of each way to encode the same pieces, arrays of shape (repeats,)."""
    import torch

    from giblet.features.codec import Codec

    torch.set_num_threads(1)
    loaded = Codec.load(codec, sample_rate_hz, chunk_s=CHUNK_S)
    size = CHUNK_S * sample_rate_hz // loaded.hop_length * loaded.hop_length
    rng = np.random.default_rng(0)
    pieces = [(0.1 * rng.standard_normal(size)).astype(np.float32) for _ in range(n_chunks)]

    def encoder() -> None:
        with torch.no_grad():
            for piece in pieces:
                loaded.model.encoder(torch.from_numpy(piece)[None, None])

    def network() -> None:
        with torch.no_grad():
            for piece in pieces:
                latents = loaded.model.encoder(torch.from_numpy(piece)[None, None])
                loaded.model.quantizer.encode(latents, None)

    def giblet() -> None:
        for _ in loaded.encode_pieces(iter(pieces)):
            pass

    ways: dict[str, Callable[[], None]] = {
        "the library's encoder": encoder,
        "the library's encoder and quantiser": network,
        "giblet, in pieces": giblet,
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        # Turn about, and each of them first in turn.
        order = list(ways.items())
        for name, way in order[repeat % 3 :] + order[: repeat % 3]:
            start = time.process_time()
            way()
            # The first round warms up.
            if repeat:
                spent[name].append(time.process_time() - start)
    return {name: np.array(values) for name, values in spent.items()}


def main() -> None:
    """Measure, print a table and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--codec", default="giblet-12khz")
    parser.add_argument("--sample-rate-hz", type=int, default=12000)
    parser.add_argument("--long-minutes", type=float, default=180)
    parser.add_argument("--short-minutes", type=float, default=5)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--chunks", type=int, default=4)
    parser.add_argument("--only", choices=["memory", "time"])
    parser.add_argument("--extract", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.extract:
        out = chosen.extract.with_suffix(".h5")
        extract(chosen.extract, out, chosen.codec, chosen.sample_rate_hz)
        return
    short_of = []
    if chosen.only != "memory":
        spent = timings(chosen.codec, chosen.sample_rate_hz, chosen.repeats, chosen.chunks)
        of_s = CHUNK_S * chosen.chunks
        for name, seconds in spent.items():
            print(f"{name:36} {of_s / np.median(seconds):6.1f} x real time")
        bare, own = spent["the library's encoder and quantiser"], spent["giblet, in pieces"]
        ratio = float(np.median(own / bare))
        print(f"{'time, giblet / network alone':36} {ratio:6.3f}   (at most {TIME_RATIO})")
        short_of += ["time"] * (ratio > TIME_RATIO)
        alone = float(np.median(own / spent["the library's encoder"]))
        print(f"{'time, giblet / encoder alone':36} {alone:6.3f}   (quantising included)")
    if chosen.only != "time":
        peaks = [
            peak_mib(minutes, chosen.codec, chosen.sample_rate_hz)
            for minutes in (chosen.short_minutes, chosen.long_minutes)
        ]
        for minutes, peak in zip((chosen.short_minutes, chosen.long_minutes), peaks, strict=True):
            print(f"peak memory of a run of {minutes:g} min {peak:14.0f} MiB")
        ratio = peaks[1] / peaks[0]
        print(f"{'memory, long run / short run':36} {ratio:6.3f}   (at most {MEMORY_RATIO})")
        short_of += ["memory"] * (ratio > MEMORY_RATIO)
    if short_of:
        print(f"falls short in {' and '.join(short_of)}")
    sys.exit(bool(short_of))


if __name__ == "__main__":
    main()
