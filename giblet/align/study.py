"""The study file: everything training reads, on one time axis, cut and never stretched.

All statistics come from training TRs only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.align.checks import check_clock, check_stream
from giblet.align.layout import CODES
from giblet.align.scans import write_bold
from giblet.align.splits import read_splits
from giblet.align.stats import Covariance, Moments
from giblet.errors import AlignError
from giblet.store import dataset, image_compression, reading, writing
from giblet.timing import Exact, as_fraction, n_items

CHUNK_BYTES = 16 * 2**20
AUDIO_ATTRS = ("sample_rate_hz", "hop_length", "n_codebooks", "codebook_size", "codec")
TRAIN = CODES["train"]


def write_study(
    out: str | Path,
    *,
    runs: Sequence[str],
    splits: str | Path,
    frames: Sequence[str | Path],
    audio: Sequence[str | Path],
    text: Sequence[str | Path],
    video: Sequence[str | Path] = (),
    scans: Mapping[tuple[str, str], str | Path],
    space: str | Path,
    tr_s: Exact,
    repeats: Mapping[str, str] | None = None,
) -> None:
    """Write ``study.h5``.

    Parameters
    ----------
    frames, audio, text
        Stimulus and feature files of each run, in the order of `runs`; empty for a modality that
        the study lacks, of which the file then holds nothing.
    video
        Video backbone features of each run; empty without a backbone.
    scans
        Cleaned BOLD file of each (subject, run).
    space
        Geometry of the voxels or parcels.
    repeats
        Runs that show what an earlier one showed, and which.

    Notes
    -----
    Memory: a chunk of pictures (16 MiB) and a chunk of one scan's TRs; never a run of video.
    """
    codes = read_splits(splits)
    if list(codes) != list(runs):
        raise AlignError(
            f"{splits} holds runs {', '.join(codes)}, the study has {', '.join(runs)}: delete "
            "the file and run snakemake again"
        )
    subjects = list(dict.fromkeys(subject for subject, _ in scans))
    stats = _StimulusStats()
    with writing(out, stage="align", tr_s=tr_s) as file:
        file.attrs["subjects"] = json.dumps(subjects)
        file.attrs["runs"] = json.dumps(list(runs))
        file.attrs["repeats"] = json.dumps(dict(repeats or {}))
        n_voxels = _copy_geometry(file, space)
        for place, run in enumerate(runs):
            group = file.create_group(f"runs/{run}")
            group["split"] = codes[run]
            if len(frames):
                _copy_video(group, frames[place], codes[run], tr_s, stats)
            else:
                group["stim_valid"] = np.ones(len(codes[run]), bool)
            if len(audio):
                _copy_audio(group, audio[place], codes[run], tr_s, stats)
            if len(text):
                _copy_text(group, text[place], codes[run], tr_s, stats)
            if len(video):
                _copy_embedding(group, video[place], codes[run], tr_s)
            print(f"{run}: {len(codes[run])} TRs of stimulus")
        for subject in subjects:
            own = {run: path for (who, run), path in scans.items() if who == subject}
            write_bold(file, subject, own, codes, n_voxels, tr_s)
        there = zip(("video", "audio", "text"), (frames, audio, text), strict=True)
        modalities = [name for name, paths in there if len(paths)]
        file.attrs["modalities"] = json.dumps(modalities)
        stats.write(file.require_group("stats"), modalities)


class _StimulusStats:
    """Statistics of the stimulus over the training TRs of all runs."""

    def __init__(self) -> None:
        self.video = Moments()
        self.text = Moments()
        self.latents = Covariance()
        self.code_counts: NDArray[np.int64] | None = None

    def count_codes(self, codes: NDArray[np.int16], size: int) -> None:
        """Add code ids of shape (n_codebooks, n_frames)."""
        counts = np.stack([np.bincount(row, minlength=size) for row in codes])
        self.code_counts = counts if self.code_counts is None else self.code_counts + counts

    def write(self, group: h5py.Group, modalities: Sequence[str]) -> None:
        """Write mean (and standard deviation, and covariance) of the study's modalities."""
        if "video" in modalities:
            group["video/mean"] = self.video.mean().astype(np.float32)
        if "text" in modalities:
            _write_moments(group, "text", self.text)
        if "audio" in modalities:
            _write_moments(group, "latents", self.latents)
            group["latents/covariance"] = self.latents.value().astype(np.float32)
            group["code_counts"] = self.code_counts


def _write_moments(group: h5py.Group, name: str, moments: Moments | Covariance) -> None:
    group[f"{name}/mean"] = moments.mean().astype(np.float32)
    group[f"{name}/std"] = moments.std().astype(np.float32)


def _copy_geometry(file: h5py.File, space: str | Path) -> int:
    with reading(space, stage="brain") as source:
        file.attrs["kind"] = source.attrs["kind"]
        if "grid_shape" in source.attrs:
            file.attrs["grid_shape"] = source.attrs["grid_shape"]
        geometry = file.create_group("geometry")
        for name in ("ijk", "xyz_mm", "affine", "labels", "region"):
            if name in source:
                source.copy(name, geometry)
        if "region_names" in source.attrs:
            geometry.attrs["region_names"] = source.attrs["region_names"]
        first = next(iter(name for name in ("ijk", "labels") if name in source), None)
        if first is None:
            raise AlignError(f"{space}: holds neither voxels (ijk) nor parcels (labels)")
        return int(source[first].shape[0])


def _run(group: h5py.Group) -> str:
    """Run that a group of the study is of."""
    return str(group.name).rpartition("/")[2]


def _copy_video(
    group: h5py.Group,
    path: str | Path,
    split: NDArray[np.int8],
    tr_s: Exact,
    stats: _StimulusStats,
) -> None:
    n_trs = len(split)
    with reading(path, stage="stimulus", tr_s=tr_s, run=_run(group)) as source:
        valid = dataset(source, "valid", dtype=bool, shape=(None, None))[:]
        time_s = dataset(source, "time_s", shape=valid.shape)[:]
        check_clock(time_s, valid, tr_s, str(path))
        _refuse_shorter(path, len(valid), n_trs)
        pictures = dataset(source, "frames", dtype=np.uint8, shape=(*valid.shape, None, None, 3))
        shown = valid[:n_trs].all(axis=1)
        group["stim_valid"] = shown
        target = group.create_dataset(
            "video",
            shape=(n_trs, *pictures.shape[1:]),
            dtype=np.uint8,
            chunks=(1, *pictures.shape[1:]),
            **image_compression(),
        )
        step = max(1, CHUNK_BYTES // int(np.prod(pictures.shape[1:])))
        for start in range(0, n_trs, step):
            part = slice(start, min(start + step, n_trs))
            block = pictures[part]
            target[part] = block
            stats.video.add(block[(split[part] == TRAIN) & shown[part]])


def _copy_audio(
    group: h5py.Group,
    path: str | Path,
    split: NDArray[np.int8],
    tr_s: Exact,
    stats: _StimulusStats,
) -> None:
    n_trs = len(split)
    with reading(path, stage="features", tr_s=tr_s, run=_run(group)) as source:
        attrs = {name: source.attrs[name] for name in AUDIO_ATTRS}
        rate = as_fraction(f"{int(attrs['sample_rate_hz'])}/{int(attrs['hop_length'])}")
        index = dataset(source, "index", dtype=np.int64, shape=(None, 2))[:]
        latents = dataset(source, "latents", shape=(None, None))
        check_stream(index, len(latents), tr_s, rate, str(path))
        _refuse_shorter(path, len(index), n_trs)
        n_frames = n_items(n_trs, tr_s, rate)
        codes = dataset(source, "codes", dtype=np.int16, shape=(None, len(latents)))[:, :n_frames]
        size = int(attrs["codebook_size"])
        if codes.size and (codes.min() < 0 or codes.max() >= size):
            raise AlignError(
                f"{path}: code ids run from {codes.min()} to {codes.max()}, its codebooks hold "
                f"{size}: delete the file and run snakemake again"
            )
        kept = latents[:n_frames]
        mel = dataset(source, "log_mel", shape=(len(latents), None))[:n_frames]
    _same_audio(group.file, attrs, path)
    index = index[:n_trs]
    group["audio_index"] = index
    _store(group, "audio_codes", codes, (len(codes), min(512, n_frames)))
    _store(group, "audio_latents", kept.astype(np.float16), (min(512, n_frames), kept.shape[1]))
    _store(group, "audio_log_mel", mel.astype(np.float16), (min(512, n_frames), mel.shape[1]))
    train = np.repeat(split == TRAIN, index[:, 1] - index[:, 0])
    stats.latents.add(kept[train].astype(np.float64))
    stats.count_codes(codes[:, train], size)


def _same_audio(file: h5py.File, attrs: Mapping[str, Any], path: str | Path) -> None:
    """Put the codec's settings on the study; refuse runs encoded with different ones."""
    for name, value in attrs.items():
        if name in file.attrs and file.attrs[name] != value:
            raise AlignError(
                f"{path}: {name} is {value}, the runs before it have {file.attrs[name]}: delete "
                "the audio features and run snakemake again"
            )
        file.attrs[name] = value


def _copy_text(
    group: h5py.Group,
    path: str | Path,
    split: NDArray[np.int8],
    tr_s: Exact,
    stats: _StimulusStats,
) -> None:
    n_trs = len(split)
    with reading(path, stage="features", tr_s=tr_s, run=_run(group)) as source:
        found = dataset(source, "embedding", shape=(None, None))
        _refuse_shorter(path, len(found), n_trs)
        values = found[:n_trs].astype(np.float32)
        valid = dataset(source, "valid", dtype=bool, shape=(len(found),))[:n_trs]
    group["text"] = values
    group["text_valid"] = valid
    stats.text.add(values[(split == TRAIN) & valid])


def _copy_embedding(
    group: h5py.Group, path: str | Path, split: NDArray[np.int8], tr_s: Exact
) -> None:
    with reading(path, stage="features", tr_s=tr_s, run=_run(group)) as source:
        found = dataset(source, "embedding", shape=(None, None))
        _refuse_shorter(path, len(found), len(split))
        group["video_embedding"] = found[: len(split)].astype(np.float32)


def _store(group: h5py.Group, name: str, values: NDArray[Any], chunks: tuple[int, ...]) -> None:
    group.create_dataset(name, data=values, chunks=chunks)


def _refuse_shorter(path: str | Path, found: int, n_trs: int) -> None:
    if found < n_trs:
        raise AlignError(
            f"{path} has {found} TRs, splits.tsv has {n_trs} of its run: delete splits.tsv and "
            "run snakemake again"
        )
