"""What a film drives a simulated brain with: a few numbers a TR for each modality.

They are computed from what the `stimulus` stage wrote, not from what `features` made of it,
so that a simulated study does not presuppose the features it is analysed with.

* picture: principal components of a coarse grid of colours, and motion energy;
* sound: principal components of log energies in mel bands;
* words: whether there are any, and principal components of a sentence embedding.

The components are those of the whole film: this is nature, and nothing is held out from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.errors import StoreError
from giblet.results import made_sound, read_made_table
from giblet.store import dataset, reading
from giblet.timing import Exact, as_fraction

Values = NDArray[np.float64]
MODALITIES = ("picture", "sound", "words")
N_COMPONENTS = 3
GRID = (4, 6)
N_MELS = 24
FLOOR = 1e-6
LEAST_SD = 1e-6


@dataclass(frozen=True)
class Drives:
    """Drives of a study.

    Attributes
    ----------
    runs : mapping of run to array of shape (n_trs, n_drives), z-scored over all runs
    modality : array of shape (n_drives,), index into `MODALITIES` of each column
    present : array of shape (3,), bool, whether the film drives the modality at all
    """

    runs: Mapping[str, Values]
    modality: NDArray[np.int64]
    present: NDArray[np.bool_]


def measure_drives(
    runs: Sequence[str],
    frames: Sequence[str | Path],
    audio: Sequence[str | Path],
    text: Sequence[str | Path],
    *,
    tr_s: Exact,
) -> Drives:
    """Drives of all runs, from the `stimulus` files of each.

    A modality that the film lacks (no sound track, no text, a black picture), or the study
    (an empty list of files), has drives of zero in every TR.

    Raises
    ------
    StoreError
        If the files of a run differ in their number of TRs.
    """
    n_trs = _lengths(frames, audio, text, tr_s)
    picture = [_picture(path, tr_s) for path in frames] or [_no_picture(n) for n in n_trs]
    sound = [_log_mel(path, n, tr_s) for path, n in zip(audio, n_trs, strict=bool(audio))]
    sound = sound or [np.zeros((n, N_MELS)) for n in n_trs]
    sentences = [_sentences(path, n) for path, n in zip(text, n_trs, strict=bool(text))]
    sentences = sentences or [[""] * n for n in n_trs]
    columns = [
        ("picture", _components([part["colour"] for part in picture])),
        ("picture", _standardised([part["motion"] for part in picture])),
        ("sound", _components(sound)),
        ("words", _standardised([_has_words(part)[:, None] for part in sentences])),
        ("words", _word_components(sentences)),
    ]
    modality = np.concatenate(
        [[MODALITIES.index(name)] * values[0].shape[1] for name, values in columns]
    ).astype(np.int64)
    stacked = {
        run: np.concatenate([values[place] for _, values in columns], axis=1)
        for place, run in enumerate(runs)
    }
    varies = np.any([values.any(axis=0) for values in stacked.values()], axis=0)
    present = np.array([varies[modality == number].any() for number in range(len(MODALITIES))])
    return Drives(stacked, modality, present)


def _lengths(
    frames: Sequence[str | Path],
    audio: Sequence[str | Path],
    text: Sequence[str | Path],
    tr_s: Exact,
) -> list[int]:
    """TRs of each run, by the first kind of file that there is."""
    if frames:
        lengths = []
        for path in frames:
            with reading(path, stage="stimulus", tr_s=tr_s, content=False) as file:
                lengths.append(int(dataset(file, "frames").shape[0]))
        return lengths
    if audio:
        lengths = []
        for path in audio:
            with made_sound(path) as file:
                lengths.append(round(file.frames / file.samplerate / as_fraction(tr_s)))
        return lengths
    return [len(read_made_table(path, ("tr",), plain=True, dtype=str)) for path in text]


def _no_picture(n_trs: int) -> dict[str, Values]:
    return {"colour": np.zeros((n_trs, 3 * GRID[0] * GRID[1])), "motion": np.zeros((n_trs, 1))}


def _picture(path: str | Path, tr_s: Exact) -> dict[str, Values]:
    """Colours on a coarse grid and logarithm of motion energy, one row a TR."""
    with reading(path, stage="stimulus", tr_s=tr_s) as file:
        frames = dataset(file, "frames", dtype=np.uint8, shape=(None, None, None, None, 3))
        n_trs, n_frames, height, width, _ = frames.shape
        rows = np.arange(height) * GRID[0] // height
        columns = np.arange(width) * GRID[1] // width
        cell = (rows[:, None] * GRID[1] + columns[None, :]).ravel()
        n_pixels = np.maximum(np.bincount(cell, minlength=GRID[0] * GRID[1]), 1)
        to_grid = (cell[None, :] == np.arange(len(n_pixels))[:, None]) / n_pixels[:, None]
        colour = np.zeros((n_trs, to_grid.shape[0] * 3))
        motion = np.zeros((n_trs, 1))
        before = None
        for tr in range(n_trs):
            shown = frames[tr].astype(np.float32).reshape(n_frames, height * width, 3)
            colour[tr] = (to_grid @ shown.mean(axis=0)).ravel() / 255
            sequence = shown if before is None else np.concatenate([before, shown])
            if len(sequence) > 1:
                motion[tr] = np.log1p(np.abs(np.diff(sequence, axis=0)).mean())
            before = shown[-1:]
    return {"colour": colour, "motion": motion}


def _log_mel(path: str | Path, n_trs: int, tr_s: Exact) -> Values:
    """Log energy in mel bands, one row a TR."""
    tr = float(as_fraction(tr_s))
    out = np.zeros((n_trs, N_MELS))
    with made_sound(path) as file:
        rate = file.samplerate
        expected = n_trs * tr * rate
        if abs(file.frames - expected) > 1:
            raise StoreError(
                f"{path}: {file.frames} samples at {rate} Hz, but the frames of the run last "
                f"{n_trs} TRs of {tr} s: delete the run's stimulus files and run snakemake again"
            )
        n_fft = max(256, 2 ** round(np.log2(0.04 * rate)))
        bank = _mel_bank(rate, n_fft)
        edges = np.round(np.arange(n_trs + 1) * tr * rate).astype(np.int64)
        for row, n_samples in enumerate(np.diff(edges)):
            samples = file.read(int(n_samples), dtype="float32")
            spectrum = _spectrum(samples, n_fft)
            out[row] = np.log(bank @ spectrum + FLOOR)
    return out


def _spectrum(samples: NDArray[np.float32], n_fft: int) -> Values:
    """Mean power spectrum of windows that overlap by half."""
    short = n_fft - len(samples)
    if short > 0:
        samples = np.pad(samples, (0, short))
    windows = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[:: n_fft // 2]
    power = np.abs(np.fft.rfft(windows * np.hanning(n_fft).astype(np.float32), axis=1)) ** 2
    return np.asarray(power.mean(axis=0), dtype=np.float64) / n_fft


def _mel_bank(rate: int, n_fft: int) -> Values:
    """Triangular bands, evenly spaced on the mel scale (O'Shaughnessy 1987)."""
    highest = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, N_MELS + 2) / 2595) - 1)
    hz = np.fft.rfftfreq(n_fft, 1 / rate)[None, :]
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bands = np.maximum(0, np.minimum((hz - low) / (middle - low), (high - hz) / (high - middle)))
    return bands / np.maximum(bands.sum(axis=1, keepdims=True), 1e-12)


def _sentences(path: str | Path, n_trs: int) -> list[str]:
    """Text of each TR, empty where nothing is said."""
    path = Path(path)
    if not path.exists():
        raise StoreError(f"{path}: no such file: run snakemake to make it")
    table = read_made_table(path, plain=True, dtype=str, keep_default_na=False)
    if "text" not in table.columns or len(table) != n_trs:
        raise StoreError(
            f"{path}: {len(table)} rows with columns {', '.join(map(str, table.columns))}; the "
            f"frames of the run have {n_trs} TRs: delete the run's stimulus files and run "
            "snakemake again"
        )
    return [text.strip() for text in table["text"]]


def _has_words(sentences: list[str]) -> Values:
    return np.array([float(bool(text)) for text in sentences])


def _word_components(sentences: list[list[str]]) -> list[Values]:
    """Components of the sentence embeddings; zero, the mean, where there is no text."""
    said = [_has_words(part) > 0 for part in sentences]
    known = sorted({text for part in sentences for text in part if text})
    if not known:
        return [np.zeros((len(part), N_COMPONENTS)) for part in sentences]
    from giblet.simulate.sentences import embed

    vectors = dict(zip(known, embed(known), strict=True))
    width = len(next(iter(vectors.values())))
    embedded = [
        np.array([vectors[text] if text else np.zeros(width) for text in part], dtype=np.float64)
        for part in sentences
    ]
    return _components(embedded, said)


def _components(runs: list[Values], valid: list[NDArray[np.bool_]] | None = None) -> list[Values]:
    """First principal components over all runs, z-scored; columns without variance are zero."""
    rows = np.concatenate(runs)
    use = np.ones(len(rows), dtype=bool) if valid is None else np.concatenate(valid)
    centred = np.where(use[:, None], rows - rows[use].mean(axis=0), 0)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    n = min(N_COMPONENTS, len(spread))
    # The sign of a component is arbitrary: fix it, so that it does not hang on the library.
    axes = axes[:n] * np.sign(axes[np.arange(n), np.abs(axes[:n]).argmax(axis=1)])[:, None]
    scores = centred @ axes.T
    scores[:, spread[:n] < LEAST_SD * np.sqrt(len(rows))] = 0
    scores = np.pad(scores, ((0, 0), (0, N_COMPONENTS - n)))
    return _standardised(np.split(scores, np.cumsum([len(part) for part in runs])[:-1]))


def _standardised(runs: list[Values]) -> list[Values]:
    """Z-scores over all runs; what does not vary becomes zero."""
    rows = np.concatenate(runs)
    mean, sd = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(sd > LEAST_SD, 1 / np.maximum(sd, LEAST_SD), 0)
    return [(part - mean) * scale for part in runs]
