"""The study as windows of consecutive TRs, read from disk as they are needed.

Nothing here grows with the length of the study but a few numbers per TR. Suffixes: see
``giblet.model.stimulus``; S subjects.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from giblet.brain.drift import Drift, reader
from giblet.errors import TrainError
from giblet.model.stimulus import Stimulus
from giblet.store import dataset, reading
from giblet.timing import as_fraction, max_items_per_tr
from giblet.train.windows import Window

TRAIN, VAL, TEST, GAP = 0, 1, 2, -1
# A modality and the dataset of a run without which the study lacks it.
PARTS = {"video": "video", "audio": "audio_codes", "text": "text"}
SPLITS = {"train": TRAIN, "val": VAL, "test": TEST}


@dataclass(frozen=True)
class Run:
    """What is kept in memory of a run: a few values per TR."""

    name: str
    split: NDArray[np.int8]
    stim_valid: NDArray[np.bool_]
    text_valid: NDArray[np.bool_]
    audio_index: NDArray[np.int64]
    subjects: tuple[str, ...]

    @property
    def n_trs(self) -> int:
        return len(self.split)


@dataclass
class Batch:
    """Windows with their context.

    Attributes
    ----------
    stimulus : Stimulus
        TRs ``[start - context, stop)`` of each window; what lies outside the run, or must not
        be seen, is invalid and zero.
    bold : float32 [S, B, T + follow, V]
        TRs ``[start, stop + follow)``, zero (the training mean) where hidden or missing.
    bold_valid : bool [S, B]
        Whether the subject was scanned in the window's run.
    target : bool [B, T]
        TRs of the window whose losses count.
    subjects : list of S numbers of subjects
    windows : list of B windows
    """

    stimulus: Stimulus
    bold: Tensor
    bold_valid: Tensor
    target: Tensor
    subjects: list[int]
    windows: list[Window]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return Batch(
            self.stimulus.to(device),
            self.bold.to(device),
            self.bold_valid.to(device),
            self.target.to(device),
            self.subjects,
            self.windows,
        )


class Study:
    """An open study file, seen without some of its subjects. Use :func:`open_study`."""

    def __init__(self, file: h5py.File, without: Sequence[str] = ()) -> None:
        self.file = file
        self.path = str(file.filename)
        tr = Fraction(*(int(part) for part in file.attrs["tr_s"]))
        self.tr_s, self.drift = str(tr), Drift.of(file)
        self.subjects = _remaining(file, without)
        self.runs = [self._open_run(name) for name in json.loads(file.attrs["runs"])]
        first = file[f"runs/{self.runs[0].name}"]
        self.modalities = [name for name, part in PARTS.items() if part in first]
        shape = first["video"].shape[1:] if "video" in first else (0, 0, 0, 3)
        self.frame_shape = tuple(int(n) for n in shape)  # F, H, W, 3
        self.n_codebooks = int(file.attrs.get("n_codebooks", 0))
        self.codebook_size = int(file.attrs.get("codebook_size", 0))
        self.latent_dim = _columns(first, "audio_latents")
        self.n_mels = _columns(first, "audio_log_mel")
        self.text_dim = _columns(first, "text")
        self.embedding_dim = _columns(first, "video_embedding")
        self.max_frames = 0
        if "audio" in self.modalities:
            rate = f"{int(file.attrs['sample_rate_hz'])}/{int(file.attrs['hop_length'])}"
            self.max_frames = max_items_per_tr(tr, as_fraction(rate))
        self._read_stats(file["stats"])

    def _read_stats(self, stats: h5py.Group) -> None:
        """What is known of the training TRs; of no size where the study lacks a modality."""
        width = self.latent_dim

        def read(modality: str, name: str, *shape: int) -> NDArray[Any]:
            if modality not in self.modalities:
                return np.zeros(shape, np.float32)
            found: NDArray[Any] = dataset(stats, name, shape=shape)[:]
            return found

        self.latent_mean = read("audio", "latents/mean", width)
        self.latent_std = read("audio", "latents/std", width)
        self.latent_covariance = read("audio", "latents/covariance", width, width)
        self.text_mean = read("text", "text/mean", self.text_dim)
        self.video_mean = read("video", "video/mean", *self.frame_shape)
        self.code_counts = read("audio", "code_counts", self.n_codebooks, self.codebook_size)
        # [S, V]
        self.voxel_valid = np.stack(
            [dataset(stats, f"bold/{name}/valid", dtype=bool)[:] for name in self.subjects]
        )
        self.n_voxels = self.voxel_valid.shape[1]

    def slow_part(self, number: int, told: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
        """What cleaning took out of a run's BOLD, see :mod:`giblet.brain.drift`.

        Returns
        -------
        orthonormal columns [T, k], and what reads their coefficients off the told TRs, [k, T]
        """
        basis = self.drift.basis(self.runs[number].n_trs, float(as_fraction(self.tr_s)))
        read = reader(basis, told)
        return torch.from_numpy(basis.astype(np.float32)), torch.from_numpy(read).float()

    def _open_run(self, name: str) -> Run:
        group = self.file[f"runs/{name}"]
        split = dataset(group, "split", dtype=np.int8)[:]
        n_trs = len(split)
        return Run(
            name=name,
            split=split,
            stim_valid=dataset(group, "stim_valid", dtype=bool, shape=(n_trs,))[:],
            text_valid=_per_tr(group, "text_valid", (n_trs,), bool),
            audio_index=_per_tr(group, "audio_index", (n_trs, 2), np.int64),
            subjects=tuple(name for name in self.subjects if name in group.get("bold", {})),
        )

    def segments(self, split: str) -> list[Window]:
        """Unbroken stretches of a split.

        Raises
        ------
        TrainError
            If the study has no TR of that split.
        """
        found = []
        for number, run in enumerate(self.runs):
            inside = np.concatenate([[False], run.split == SPLITS[split], [False]])
            edges = np.flatnonzero(np.diff(inside.astype(np.int8)))
            found += [
                Window(number, int(start), int(stop))
                for start, stop in edges.reshape(-1, 2)
                if run.subjects
            ]
        if not found:
            raise TrainError(
                f"{self.path}: no TR with a scan is in the split {split!r}: give a run to it in "
                "the runs table, or raise its share in the align settings"
            )
        return found

    @property
    def has(self) -> tuple[bool, ...]:
        """Whether there is any video, audio and text."""
        return tuple(name in self.modalities for name in PARTS)

    def scanned(self, window: Window, subjects: Sequence[int]) -> list[bool]:
        """Whether each of some subjects has a scan of a window's run."""
        there = self.runs[window.run].subjects
        return [self.subjects[number] in there for number in subjects]

    def batch(
        self,
        windows: Sequence[Window],
        *,
        length: int,
        context: int,
        follow: int,
        subjects: Sequence[int],
        split: str | None,
    ) -> Batch:
        """Read windows, padded to `length` TRs.

        Parameters
        ----------
        context, follow
            TRs of stimulus before, and of BOLD after, the window.
        subjects
            Numbers of the subjects whose BOLD to read.
        split
            Split whose losses count; TRs of the other splits are hidden, those of the gaps
            between them are not. None: everything is seen and counts.
        """
        stimuli = [self._stimulus(w, w.start - context, w.start + length, split) for w in windows]
        bold = np.zeros((len(subjects), len(windows), length + follow, self.n_voxels), np.float32)
        valid = np.zeros(bold.shape[:2], bool)
        for row, number in enumerate(subjects):
            name = self.subjects[number]
            for column, window in enumerate(windows):
                if name in self.runs[window.run].subjects:
                    valid[row, column] = True
                    bold[row, column] = self._bold(window, length + follow, name, split)
        target = np.zeros((len(windows), length), bool)
        for row, window in enumerate(windows):
            run = self.runs[window.run]
            inside = run.stim_valid[window.start : window.stop].copy()
            if split is not None:
                inside &= run.split[window.start : window.stop] == SPLITS[split]
            target[row, : len(inside)] = inside
        return Batch(
            stimulus=Stimulus(
                **{
                    name: torch.from_numpy(np.stack([part[name] for part in stimuli]))
                    for name in stimuli[0]
                }
            ),
            bold=torch.from_numpy(bold),
            bold_valid=torch.from_numpy(valid),
            target=torch.from_numpy(target),
            subjects=list(subjects),
            windows=list(windows),
        )

    def _seen(self, run: Run, start: int, stop: int, split: str | None) -> NDArray[np.bool_]:
        if split is None:
            return np.ones(stop - start, bool)
        part = run.split[start:stop]
        return (part == SPLITS[split]) | (part == GAP)

    def _bold(
        self, window: Window, length: int, subject: str, split: str | None
    ) -> NDArray[np.float32]:
        run = self.runs[window.run]
        stop = min(window.start + length, run.n_trs)
        values = np.zeros((length, self.n_voxels), np.float32)
        part = self.file[f"runs/{run.name}/bold/{subject}"][window.start : stop]
        part[~self._seen(run, window.start, stop, split)] = 0
        values[: len(part)] = part
        return values

    def _stimulus(
        self, window: Window, start: int, stop: int, split: str | None
    ) -> dict[str, NDArray[Any]]:
        """TRs ``[start, stop)`` of the window's run, zeros outside the run and where hidden."""
        run = self.runs[window.run]
        group = self.file[f"runs/{run.name}"]
        low, high = max(0, start), min(stop, run.n_trs)
        length, inside = stop - start, slice(low - start, high - start)
        n_frames = self.max_frames
        out: dict[str, NDArray[Any]] = {
            "video": np.zeros((length, *self.frame_shape), np.uint8),
            "codes": np.zeros((length, n_frames, self.n_codebooks), np.int64),
            "latents": np.zeros((length, n_frames, self.latent_dim), np.float32),
            "log_mel": np.zeros((length, n_frames, self.n_mels), np.float32),
            "audio_mask": np.zeros((length, n_frames), bool),
            "text": np.zeros((length, self.text_dim), np.float32),
            "text_valid": np.zeros(length, bool),
            "valid": np.zeros(length, bool),
            "video_embedding": np.zeros((length, self.embedding_dim), np.float32),
        }
        if high <= low:
            return out
        shown = run.stim_valid[low:high] & self._seen(run, low, high, split)
        for name in ("video", "text", "video_embedding"):
            if name in group:
                out[name][inside] = group[name][low:high]
        out["text_valid"][inside] = run.text_valid[low:high]
        out["valid"][inside] = shown
        if self.max_frames:
            self._add_sound(out, group, run.audio_index[low:high], inside)
        hidden = ~out["valid"]
        for name in ("video", "latents", "log_mel", "audio_mask", "text", "text_valid", "codes"):
            out[name][hidden] = 0
        out["video_embedding"][hidden] = 0
        return out

    def _add_sound(
        self,
        out: dict[str, NDArray[Any]],
        group: h5py.Group,
        index: NDArray[np.int64],
        inside: slice,
    ) -> None:
        """Codec frames of the TRs with the ranges `index`, [T, 2]."""
        first, last = int(index[0, 0]), int(index[-1, 1])
        place = np.arange(self.max_frames)[None, :] + index[:, :1] - first  # [T, N]
        mask = place < index[:, 1:] - first
        place = np.minimum(place, last - first - 1)
        latents = group["audio_latents"][first:last].astype(np.float32)
        latents = (latents - self.latent_mean) / self.latent_std
        out["codes"][inside] = group["audio_codes"][:, first:last].T[place]
        out["latents"][inside] = latents[place]
        out["log_mel"][inside] = group["audio_log_mel"][first:last].astype(np.float32)[place]
        out["audio_mask"][inside] = mask


def _remaining(file: h5py.File, without: Sequence[str]) -> list[str]:
    subjects: list[str] = json.loads(file.attrs["subjects"])
    unknown = [name for name in without if name not in subjects]
    if unknown:
        raise TrainError(
            f"{file.filename} has no subject {unknown[0]!r} to leave out, it has "
            f"{', '.join(subjects)}: correct train/unseen_subjects"
        )
    return [name for name in subjects if name not in without]


def _columns(group: h5py.Group, name: str) -> int:
    """Columns of a dataset with one row a TR or codec frame; 0 if it is not there."""
    return int(group[name].shape[1]) if name in group else 0


def _per_tr(group: h5py.Group, name: str, shape: tuple[int, ...], dtype: type) -> NDArray[Any]:
    """A dataset of some shape; zeros if it is not there."""
    if name not in group:
        return np.zeros(shape, dtype)
    found: NDArray[Any] = dataset(group, name, dtype=dtype, shape=shape)[:]
    return found


@contextmanager
def open_study(path: str | Path, without: Sequence[str] = ()) -> Iterator[Study]:
    """Open a study read-only, as if the subjects `without` had not been scanned."""
    with reading(path, stage="align") as file:
        yield Study(file, without)
