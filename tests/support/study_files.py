"""Small study files in the exact layout of ``align/study.h5``, with a planted linear signal.

Written without giblet.align, so it doubles as an independent statement of the layout.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.hrf import convolve_causal, hrf_kernel
from giblet.store import image_compression, writing
from giblet.timing import as_fraction, n_items, tr_ranges

TRAIN, VAL, TEST, GAP = 0, 1, 2, -1
MODALITIES = ("video", "audio", "text")


@dataclass(frozen=True)
class PlantedStudy:
    """What `make_study` wrote and the truth behind it.

    Attributes
    ----------
    path : Path of the study
    runs, subjects : their names
    responds : array of shape (n_voxels, 3), bool; which voxel follows video, audio, text
    delay_s : array of shape (n_voxels,), time to peak of the voxel's impulse response
    response : dict run -> array of shape (n_trs, n_voxels); noiseless, unit variance
    ceiling : array of shape (n_voxels,); expected correlation of BOLD and `response`
    """

    path: Path
    runs: tuple[str, ...]
    subjects: tuple[str, ...]
    responds: NDArray[np.bool_]
    delay_s: NDArray[np.float64]
    response: dict[str, NDArray[np.float64]]
    ceiling: NDArray[np.float64]


def make_study(
    path: str | Path,
    n_trs: Sequence[int] = (60, 60),
    n_subjects: int = 2,
    n_voxels: int = 40,
    *,
    frames_per_tr: int = 2,
    height: int = 12,
    width: int = 16,
    n_codebooks: int = 2,
    codebook_size: int = 16,
    latent_dim: int = 8,
    n_mels: int = 10,
    text_dim: int = 12,
    backbone_dim: int = 0,
    tr_s: str = "1.5",
    sample_rate_hz: int = 12000,
    hop_length: int = 320,
    gap_trs: int = 4,
    noise: float = 0.5,
    signal: bool = True,
    n_without_text: int = 3,
    n_without_film: int = 0,
    missing: Sequence[tuple[str, str]] = (),
    n_dead_voxels: int = 0,
    delay_shift_s: Sequence[float] = (0.0,),
    modalities: Sequence[str] = MODALITIES,
    high_pass_hz: float = 0,
    seed: int = 0,
) -> PlantedStudy:
    """Write a study whose voxels are linear in its own pictures, sound and words.

    A quarter of the voxels each follow video, audio and text; the last quarter follows
    nothing. ``BOLD = (glover * drive) + noise`` of standard deviation `noise` (the response
    has 1), then z-scored on train.

    Parameters
    ----------
    n_trs : TRs of each run
    backbone_dim : width of ``video_embedding``; 0 leaves it out
    signal : False makes all BOLD noise
    n_without_text : TRs without text at the end of each run
    n_without_film : invalid TRs (black, silent, split -1) at the end of the last run
    missing : (subject, run) pairs without a scan
    n_dead_voxels : last voxels of subject 1 that are invalid (zero)
    delay_shift_s : shifts of the HRF, given to the voxels in turn
    modalities : what the file holds; voxels follow the others all the same
    high_pass_hz : what the file says was taken out of its BOLD (with mean and trend, where it is
        not 0); nothing is
    """
    rng = np.random.default_rng(seed)
    path = Path(path)
    runs = tuple(f"run-{k + 1}" for k in range(len(n_trs)))
    subjects = tuple(f"sub-{k + 1:02d}" for k in range(n_subjects))
    responds = np.zeros((n_voxels, 3), bool)
    for modality in range(3):
        responds[modality * n_voxels // 4 : (modality + 1) * n_voxels // 4, modality] = signal
    shift_s = np.resize(np.asarray(delay_shift_s, float), n_voxels)
    world = _World(rng, text_dim, latent_dim, codebook_size, n_codebooks, n_mels, n_voxels)
    frame_rate = as_fraction(f"{sample_rate_hz}/{hop_length}")

    stimuli, responses, splits = {}, {}, {}
    for place, (run, length) in enumerate(zip(runs, n_trs, strict=True)):
        shape = (length, frames_per_tr, height, width, 3)
        n_frames = n_items(length, tr_s, frame_rate)
        index = tr_ranges(length, tr_s, frame_rate)
        valid = np.ones(length, bool)
        if place == len(runs) - 1 and n_without_film:
            valid[-n_without_film:] = False
        stimulus = world.stimulus(rng, shape, n_frames, index, valid, n_without_text)
        if backbone_dim:
            mixer = np.random.default_rng(9).normal(size=(height * width * 3, backbone_dim))
            small = stimulus["video"].mean(1).reshape(length, -1) / 255 - 0.5
            stimulus["video_embedding"] = (small @ mixer / 10).astype(np.float32)
        stimuli[run] = stimulus
        responses[run] = world.response(stimulus, responds, shift_s, tr_s)
        splits[run] = _splits(length, gap_trs, test_first=bool(place % 2))
        splits[run][~valid] = GAP
    sd = np.concatenate(list(responses.values())).std(0)
    responses = {run: r / np.where(sd > 0, sd, 1) for run, r in responses.items()}
    sigma = float(noise) if signal else 1.0
    ceiling = np.where(responds.any(1), 1 / np.sqrt(1 + sigma**2), 0.0)

    with writing(path, stage="align", tr_s=tr_s) as file:
        _describe(file, subjects, runs, sample_rate_hz, hop_length, n_codebooks, codebook_size)
        file.attrs["high_pass_hz"], file.attrs["detrend"] = float(high_pass_hz), high_pass_hz > 0
        file.attrs["modalities"] = json.dumps([m for m in MODALITIES if m in modalities])
        _geometry(file, n_voxels)
        for run in runs:
            group = file.create_group(f"runs/{run}")
            group["split"] = splits[run]
            stored = {k: v for k, v in stimuli[run].items() if _modality(k) in (*modalities, "")}
            for name, values in stored.items():
                extra = dict(image_compression()) if name == "video" else {}
                group.create_dataset(name, data=values, chunks=_chunks(values), **extra)
        _bold(file, rng, responses, splits, subjects, sigma, set(missing), n_dead_voxels)
        _stats(file, stimuli, splits, codebook_size)
        for name, part in (("video", "video"), ("text", "text"), ("audio", "latents")):
            if name not in modalities:
                del file[f"stats/{part}"]
        if "audio" not in modalities:
            del file["stats/code_counts"]
            for name in ("n_codebooks", "codebook_size", "sample_rate_hz", "hop_length", "codec"):
                del file.attrs[name]
    delay_s = 5.0 + shift_s
    return PlantedStudy(path, runs, subjects, responds, delay_s, responses, ceiling)


def _modality(dataset: str) -> str:
    """The modality that a dataset of a run is of; empty for none."""
    first = dataset.partition("_")[0]
    return first if first in MODALITIES else ""


class _World:
    """The fixed scenes, words and weights that the runs of one study share."""

    n_scenes = 8

    def __init__(
        self,
        rng: np.random.Generator,
        text_dim: int,
        latent_dim: int,
        codebook_size: int,
        n_codebooks: int,
        n_mels: int,
        n_voxels: int,
    ) -> None:
        self.colours = rng.uniform(30, 220, size=(self.n_scenes, 2, 2, 3))
        words = rng.normal(size=(self.n_scenes, text_dim))
        self.words = words / np.linalg.norm(words, axis=1, keepdims=True)
        self.codebooks = rng.normal(size=(n_codebooks, codebook_size, latent_dim))
        self.mel_mixer = rng.normal(size=(latent_dim, n_mels)) / np.sqrt(latent_dim)
        self.weights = {
            "video": rng.normal(size=(12, n_voxels)),
            "audio": rng.normal(size=(latent_dim, n_voxels)),
            "text": rng.normal(size=(text_dim, n_voxels)),
        }

    def stimulus(
        self,
        rng: np.random.Generator,
        shape: tuple[int, ...],
        n_frames: int,
        index: NDArray[np.int64],
        valid: NDArray[np.bool_],
        n_without_text: int,
    ) -> dict[str, NDArray[Any]]:
        """Datasets of one run's group: scenes of a few TRs, each with sound and words."""
        length, per_tr, height, width, _ = shape
        scene = _scenes(rng, length, self.n_scenes)
        light = 1 + 0.25 * np.sin(np.arange(length) / 3 + rng.uniform(0, 6))
        quarters = np.clip(self.colours[scene] * light[:, None, None, None], 0, 255)
        block = np.repeat(np.repeat(quarters, -(-height // 2), 1), -(-width // 2), 2)
        video = np.repeat(block[:, None, :height, :width], per_tr, axis=1)
        video = np.clip(video + rng.normal(0, 4, size=shape), 0, 255).astype(np.uint8)

        slow = _smooth(rng.normal(size=(length, self.codebooks.shape[2])), 3)
        owner = np.repeat(np.arange(length), index[:, 1] - index[:, 0])[:n_frames]
        latents = slow[owner] + 0.1 * rng.normal(size=(n_frames, slow.shape[1]))
        words = self.words[scene] + 0.05 * rng.normal(size=(length, self.words.shape[1]))
        text_valid = valid.copy()
        text_valid[length - n_without_text :] = False
        video[~valid] = 0
        latents[~valid[owner]] = 0
        words[~text_valid] = 0
        return {
            "stim_valid": valid,
            "video": video,
            "audio_codes": self._quantise(latents),
            "audio_latents": latents.astype(np.float16),
            "audio_log_mel": (latents @ self.mel_mixer - 4).astype(np.float16),
            "audio_index": index,
            "text": words.astype(np.float32),
            "text_valid": text_valid,
        }

    def _quantise(self, latents: NDArray[np.float64]) -> NDArray[np.int16]:
        """Residual nearest-codeword codes [Q, N]."""
        codes = []
        left = latents
        for book in self.codebooks:
            code = ((left[:, None] - book[None]) ** 2).sum(-1).argmin(1)
            left = left - book[code]
            codes.append(code)
        return np.stack(codes).astype(np.int16)

    def response(
        self,
        stimulus: dict[str, NDArray[Any]],
        responds: NDArray[np.bool_],
        shift_s: NDArray[np.float64],
        tr_s: str,
    ) -> NDArray[np.float64]:
        """Noiseless BOLD [T, V]: linear drive per modality, then the voxel's HRF."""
        length = len(stimulus["stim_valid"])
        video = stimulus["video"].astype(float)
        half_h, half_w = video.shape[2] // 2, video.shape[3] // 2
        quarters = [
            part.mean((1, 2, 3))
            for rows in (video[:, :, :half_h], video[:, :, half_h:])
            for part in (rows[:, :, :, :half_w], rows[:, :, :, half_w:])
        ]
        audio = np.stack(
            [
                stimulus["audio_latents"][a:b].astype(float).mean(0)
                for a, b in stimulus["audio_index"]
            ]
        )
        summaries = {
            "video": np.concatenate(quarters, axis=1) / 255,
            "audio": audio,
            "text": stimulus["text"].astype(float),
        }
        drive = np.zeros((length, len(responds)))
        for place, modality in enumerate(MODALITIES):
            part = summaries[modality] @ self.weights[modality]
            drive += np.where(responds[:, place], part - part.mean(0), 0)
        out = np.zeros_like(drive)
        for shift in np.unique(shift_s):
            columns = shift_s == shift
            kernel = hrf_kernel("glover", tr_s, shift_s=float(shift))
            out[:, columns] = convolve_causal(drive[:, columns], kernel)
        return out - out.mean(0)


def _scenes(rng: np.random.Generator, length: int, n_scenes: int) -> NDArray[np.int64]:
    """A scene number for each TR, changing every 2 to 7 TRs."""
    out: list[int] = []
    while len(out) < length:
        out += [int(rng.integers(n_scenes))] * int(rng.integers(2, 8))
    return np.asarray(out[:length])


def _smooth(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    box = np.ones(width) / np.sqrt(width)
    return np.stack([np.convolve(column, box, mode="same") for column in values.T], axis=1)


def _splits(length: int, gap_trs: int, *, test_first: bool) -> NDArray[np.int8]:
    """Train, validation and test as contiguous blocks with gaps between them."""
    out = np.full(length, GAP, np.int8)
    n_test, n_val = length // 4, length // 8
    if test_first:
        out[:n_test] = TEST
        out[n_test + gap_trs : length - n_val - gap_trs] = TRAIN
        out[length - n_val :] = VAL
    else:
        out[:n_val] = VAL
        out[n_val + gap_trs : length - n_test - gap_trs] = TRAIN
        out[length - n_test :] = TEST
    return out


def _chunks(values: NDArray[Any]) -> tuple[int, ...]:
    if values.ndim == 5:
        return (1, *values.shape[1:])
    if values.ndim == 2 and values.dtype == np.int16:
        return (values.shape[0], min(values.shape[1], 512))
    return (min(len(values), 64), *values.shape[1:])


def _describe(
    file: Any,
    subjects: Sequence[str],
    runs: Sequence[str],
    sample_rate_hz: int,
    hop_length: int,
    n_codebooks: int,
    codebook_size: int,
) -> None:
    file.attrs["subjects"] = json.dumps(list(subjects))
    file.attrs["runs"] = json.dumps(list(runs))
    file.attrs["repeats"] = "{}"
    file.attrs["kind"] = "voxels"
    file.attrs["sample_rate_hz"] = sample_rate_hz
    file.attrs["hop_length"] = hop_length
    file.attrs["n_codebooks"] = n_codebooks
    file.attrs["codebook_size"] = codebook_size
    file.attrs["codec"] = "giblet-12khz"


def _geometry(file: Any, n_voxels: int) -> None:
    side = int(np.ceil(n_voxels ** (1 / 3)))
    ijk = np.stack(np.unravel_index(np.arange(n_voxels), (side,) * 3), axis=1) + 1
    affine = np.diag([12.0, 12.0, 12.0, 1.0])
    affine[:3, 3] = (-40.0, -60.0, -30.0)
    file.attrs["grid_shape"] = [side + 2] * 3
    file["geometry/ijk"] = ijk.astype(np.int32)
    file["geometry/affine"] = affine
    file["geometry/xyz_mm"] = ijk @ affine[:3, :3].T + affine[:3, 3]


def _bold(
    file: Any,
    rng: np.random.Generator,
    responses: dict[str, NDArray[np.float64]],
    splits: dict[str, NDArray[np.int8]],
    subjects: Sequence[str],
    sigma: float,
    missing: set[tuple[str, str]],
    n_dead_voxels: int,
) -> None:
    for place, subject in enumerate(subjects):
        bold = {
            run: 100 + response + sigma * rng.normal(size=response.shape)
            for run, response in responses.items()
            if (subject, run) not in missing
        }
        train = np.concatenate([b[splits[run] == TRAIN] for run, b in bold.items()])
        mean, std = train.mean(0), train.std(0)
        valid = np.ones(train.shape[1], bool)
        if place == 0 and n_dead_voxels:
            valid[-n_dead_voxels:] = False
        for run, values in bold.items():
            z = np.where(valid, (values - mean) / std, 0).astype(np.float32)
            file.create_dataset(f"runs/{run}/bold/{subject}", data=z, chunks=_chunks(z))
        group = file.create_group(f"stats/bold/{subject}")
        group["mean"] = mean.astype(np.float32)
        group["std"] = std.astype(np.float32)
        group["valid"] = valid


def _stats(
    file: Any,
    stimuli: dict[str, dict[str, NDArray[Any]]],
    splits: dict[str, NDArray[np.int8]],
    codebook_size: int,
) -> None:
    video, text, latents, codes = [], [], [], []
    for run, stimulus in stimuli.items():
        train = (splits[run] == TRAIN) & stimulus["stim_valid"]
        spoken = train & stimulus["text_valid"]
        counts = stimulus["audio_index"][:, 1] - stimulus["audio_index"][:, 0]
        frames = np.repeat(train, counts)
        video.append(stimulus["video"][train])
        text.append(stimulus["text"][spoken])
        latents.append(stimulus["audio_latents"].astype(np.float32)[frames])
        codes.append(stimulus["audio_codes"][:, frames])
    file["stats/video/mean"] = np.concatenate(video).mean(0).astype(np.float32)
    for name, parts in (("text", text), ("latents", latents)):
        values = np.concatenate(parts)
        mean, std = np.zeros(values.shape[1]), np.ones(values.shape[1])
        if len(values):
            mean, std = values.mean(0), values.std(0)
        file[f"stats/{name}/mean"] = mean.astype(np.float32)
        file[f"stats/{name}/std"] = std.astype(np.float32)
    heard = np.concatenate(latents)
    covariance = np.cov(heard.T, bias=True) if len(heard) else np.zeros((heard.shape[1],) * 2)
    file["stats/latents/covariance"] = covariance.astype(np.float32)
    counted = [np.bincount(row, minlength=codebook_size) for row in np.concatenate(codes, axis=1)]
    file["stats/code_counts"] = np.stack(counted).astype(np.int64)
