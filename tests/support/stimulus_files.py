"""Stimulus files in the form the `stimulus` stage gives them, made without a film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from giblet.store import writing
from giblet.timing import as_fraction, n_items

SAMPLE_RATE_HZ = 4000
SHAPE = (2, 9, 16, 3)
WORDS = ("dog barks", "boat sails", "rain falls", "choir sings", "old king laughs", "door opens")
TRS_A_SCENE = 4


def write_stimulus(
    folder: str | Path,
    run: str,
    n_trs: int,
    *,
    tr_s: str = "1.5",
    seed: int = 0,
    words: bool = True,
    sound: bool = True,
) -> dict[str, Path]:
    """Write frames.h5, audio.wav and text.tsv of scenes of 4 TRs that change at random.

    Returns
    -------
    dict with the paths ``frames``, ``audio`` and ``text``
    """
    rng = np.random.default_rng([seed, *run.encode()])
    folder = Path(folder) / run
    folder.mkdir(parents=True, exist_ok=True)
    scene = np.arange(n_trs) // TRS_A_SCENE
    paths = {
        "frames": folder / "frames.h5",
        "audio": folder / "audio.wav",
        "text": folder / "text.tsv",
    }
    write_frames(paths["frames"], rng, scene, tr_s=tr_s, run=run)
    write_audio(paths["audio"], rng, n_trs, tr_s=tr_s, sound=sound)
    write_text(paths["text"], rng, scene, tr_s=tr_s, words=words)
    return paths


def write_frames(path: Path, rng: np.random.Generator, scene, *, tr_s: str, run: str) -> None:
    """Scenes of random colours on a coarse pattern, with some noise."""
    coarse = rng.uniform(20, 235, (scene[-1] + 1, 1, 3, 4, 3)).repeat(3, axis=2).repeat(4, axis=3)
    noise = rng.normal(0, 1, (len(scene), *SHAPE)) * rng.uniform(0, 20, (len(scene), 1, 1, 1, 1))
    frames = np.clip(coarse[scene] + noise, 0, 255).astype(np.uint8)
    times = (np.arange(frames[..., 0, 0, 0].size) + 0.5) * float(as_fraction(tr_s)) / SHAPE[0]
    with writing(path, stage="stimulus", run=run, tr_s=tr_s) as file:
        file["frames"] = frames
        file["valid"] = np.ones(frames.shape[:2], dtype=bool)
        file["time_s"] = times.reshape(frames.shape[:2])


def write_audio(
    path: Path, rng: np.random.Generator, n_trs: int, *, tr_s: str, sound: bool
) -> None:
    """Noise and a tone whose loudness and height change every second TR."""
    n_samples = n_items(n_trs, tr_s, SAMPLE_RATE_HZ)
    tr = np.minimum((np.arange(n_samples) / SAMPLE_RATE_HZ / float(as_fraction(tr_s))), n_trs - 1)
    piece = tr.astype(int) // 2
    hz = rng.uniform(100, 1500, n_trs)[piece]
    loud = 10 ** rng.uniform(-3, -0.7, (2, n_trs))[:, piece]
    samples = loud[0] * np.sin(2 * np.pi * np.cumsum(hz) / SAMPLE_RATE_HZ)
    samples += 0.3 * loud[1] * rng.standard_normal(n_samples)
    soundfile.write(path, samples * sound, SAMPLE_RATE_HZ, subtype="PCM_16")


def write_text(path: Path, rng: np.random.Generator, scene, *, tr_s: str, words: bool) -> None:
    """One of a few sentences a scene, or none."""
    drawn = rng.integers(-1, len(WORDS), scene[-1] + 1)[scene]
    said = ["" if not words or place < 0 else f"The {WORDS[place]}." for place in drawn]
    start = np.arange(len(scene)) * float(as_fraction(tr_s))
    table = {
        "tr": np.arange(len(scene)),
        "start_s": start,
        "end_s": start + float(as_fraction(tr_s)),
        "text": said,
        "n_rows": [int(bool(text)) for text in said],
        "coverage": [float(bool(text)) for text in said],
        "speech": [float(bool(text)) for text in said],
    }
    pd.DataFrame(table).to_csv(path, sep="\t", index=False)
