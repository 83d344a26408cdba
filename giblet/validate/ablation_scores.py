"""How well one network of the heads of sound does on held-out TRs, clip by clip.

Codes are scored by how high the true one ranks, sound by STOI and log-mel distance after each
of the ways out: latents as predicted, re-quantised, and the most probable codes.
Suffixes: ``giblet.model.stimulus``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from giblet.features.audio import codec_of
from giblet.features.mel import log_mel
from giblet.model.network import GibletNet
from giblet.model.stimulus import Decoded
from giblet.results import without_formulas
from giblet.sound_scores import at_stoi_rate, is_silent, stoi_10khz
from giblet.store import replacing
from giblet.train.build import load_network
from giblet.train.data import Study, open_study
from giblet.train.predict import WINDOW_TRS, SlowPart, window_drives
from giblet.train.windows import Window, tiles
from giblet.validate.soundtracks import Decoder, read_original

SPLITS = ("val", "test")
EXPORTS = ("latents", "quantised", "codes")
TOP = (1, 10)
Samples = NDArray[np.float32]
Row = dict[str, Any]


class Coder(Decoder, Protocol):
    """What is needed of :class:`giblet.features.codec.Codec`."""

    @property
    def sample_rate_hz(self) -> int:
        """Samples a second."""

    def quantise(self, latents: NDArray[np.floating]) -> NDArray[np.int16]:
        """Codes (Q, N) of latents (N, D)."""


@dataclass
class Said:
    """What a network says about the codec frames of one segment.

    Attributes
    ----------
    latents : [N, D], in the codec's units
    codes : [Q, N], the most probable ones
    rank : [Q, N], how many codes are more probable than the true one
    """

    latents: list[NDArray[np.float32]] = field(default_factory=list)
    codes: list[NDArray[np.int64]] = field(default_factory=list)
    rank: list[NDArray[np.int64]] = field(default_factory=list)


def score_variant(
    study: str | Path,
    model_dir: str | Path,
    audio: Sequence[str | Path],
    out: str | Path,
    *,
    variant: str,
    clip_trs: int,
    codec: Coder | None = None,
) -> None:
    """Write a long table: ``variant, split, source, export, codebook, metric, clip, n, value``.

    A value is of one clip, and counts for the codec frames that it is a mean of (`n`; sound 1).

    Parameters
    ----------
    model_dir
        Folder of the trained variant.
    audio
        ``stimulus/{run}/audio.wav`` of the study's runs, each in a folder of its name.
    clip_trs
        About how many TRs are scored together.
    codec
        Decoder; None loads the one the study was made with.
    """
    net = load_network(model_dir)
    rows: list[Row] = []
    with open_study(study) as opened, torch.no_grad():
        codec = codec or codec_of(opened.file)
        for split in SPLITS:
            held = HeldOut(opened, audio, codec, split, clip_trs)
            for row in _scores(net, held):
                rows.append({"variant": variant, "split": split, **row})
            print(f"{variant}: {split} scored", flush=True)
    with replacing(out) as partial:
        without_formulas(pd.DataFrame(rows)).to_csv(
            partial, sep="\t", index=False, float_format="%.6g"
        )


@dataclass(frozen=True)
class Clip:
    """TRs that are scored together, and that the bootstrap draws together.

    Attributes
    ----------
    segment : the unbroken stretch of TRs that it is a part of
    frames : codec frames, counted from the first of the segment
    original : samples of the soundtrack
    """

    segment: Window
    frames: slice
    original: Samples


class HeldOut:
    """The TRs of a split and what was to be heard in them."""

    def __init__(
        self,
        study: Study,
        audio: Sequence[str | Path],
        codec: Coder,
        split: str,
        clip_trs: int,
    ) -> None:
        self.study, self.codec, self.split = study, codec, split
        self.segments = study.segments(split)
        self.originals = {Path(path).parent.name: Path(path) for path in audio}
        self.clips = [clip for segment in self.segments for clip in self._clips(segment, clip_trs)]

    def frames(self, part: Window) -> tuple[int, int]:
        """First codec frame of a stretch of TRs, and the one after its last."""
        index = self.study.runs[part.run].audio_index
        return int(index[part.start, 0]), int(index[part.stop - 1, 1])

    def codes(self, part: Window) -> NDArray[np.int64]:
        """The true codes [Q, N]."""
        first, last = self.frames(part)
        name = self.study.runs[part.run].name
        found = self.study.file[f"runs/{name}/audio_codes"][:, first:last]
        return np.asarray(found, np.int64)

    def _clips(self, segment: Window, clip_trs: int) -> Iterator[Clip]:
        n_trs, hop = segment.stop - segment.start, self.codec.hop_length
        run, rate_hz = self.study.runs[segment.run].name, self.codec.sample_rate_hz
        edges = np.linspace(segment.start, segment.stop, max(1, round(n_trs / clip_trs)) + 1)
        start = self.frames(segment)[0]
        for low, high in zip(edges[:-1].astype(int), edges[1:].astype(int), strict=True):
            first, last = self.frames(Window(segment.run, int(low), int(high)))
            yield Clip(
                segment,
                slice(first - start, last - start),
                read_original(self.originals, run, rate_hz, first * hop, last * hop),
            )

    def sound_scores(self, sounds: Mapping[Window, Samples]) -> Iterator[tuple[int, str, float]]:
        """Clip, metric and value of each segment's sound; of silent clips there is none.

        STOI is NaN where too little is said.
        """
        rate_hz, hop, n_mels = self.codec.sample_rate_hz, self.codec.hop_length, self.study.n_mels
        for number, clip in enumerate(self.clips):
            if is_silent(clip.original):
                continue
            other = sounds[clip.segment][clip.frames.start * hop : clip.frames.stop * hop]
            was, is_now = (at_stoi_rate(sound, rate_hz) for sound in (clip.original, other))
            yield number, "stoi", float(stoi_10khz(was, is_now))
            one, two = (log_mel(sound, rate_hz, hop, n_mels) for sound in (clip.original, other))
            yield number, "log_mel_distance", float(np.abs(one - two).mean())


def _scores(net: GibletNet, held: HeldOut) -> Iterator[Row]:
    """Scores from the stimulus (``model``) and, mean over subjects, from BOLD (``from_bold``)."""
    said, bold_r = _run(net, held)
    yield {"source": "model", "metric": "bold_r", "n": 1, "value": bold_r}
    for source in ("model", "from_bold"):
        per_subject = [
            list(_of_one(held, segments))
            for name, segments in said.items()
            if name.startswith(f"{source}/")
        ]
        for rows in zip(*per_subject, strict=True):
            value = float(np.mean([row["value"] for row in rows]))
            yield {"source": source, **rows[0], "value": value}


def _run(net: GibletNet, held: HeldOut) -> tuple[dict[str, dict[Window, Said]], float]:
    """What is said by source and segment, and the mean over voxels of r with measured BOLD."""
    study = held.study
    said: dict[str, dict[Window, Said]] = {}
    bold: dict[str, list[tuple[Tensor, Tensor]]] = {}
    slow = {part.run: SlowPart.of([net], study, part.run) for part in held.segments}
    for segment in held.segments:
        run = study.runs[segment.run].name
        for window in tiles([segment], WINDOW_TRS):
            found = window_drives(net, study, window)
            for subject, predicted in found.bold.items():
                measured = study.file[f"runs/{run}/bold/{subject}"][window.start : window.stop]
                predicted = predicted - torch.from_numpy(slow[segment.run].at(window, subject))
                bold.setdefault(subject, []).append((predicted, torch.from_numpy(measured)))
            mask, true = found.mask(study.max_frames), held.codes(window)
            for name, drive in found.drives.items():
                made = net.decode(drive, None, found.n_frames)
                entry = said.setdefault(name, {}).setdefault(segment, Said())
                _note(entry, made, found.inside, mask, true, study)
    pairs = [[torch.cat(part) for part in zip(*parts, strict=True)] for parts in bold.values()]
    r = [_correlation(predicted, measured) for predicted, measured in pairs]
    return said, float(torch.cat(r).mean())


def _note(
    entry: Said,
    made: Decoded,
    inside: slice,
    mask_TN: Tensor,
    true_QN: NDArray[np.int64],
    study: Study,
) -> None:
    latents = made.latents[0, inside][mask_TN].numpy()  # [N, D]
    logits = made.code_logits[0, inside][mask_TN]  # [N, Q, K]
    of_true = logits.gather(2, torch.from_numpy(true_QN.T[..., None].copy()))  # [N, Q, 1]
    entry.latents.append((latents * study.latent_std + study.latent_mean).astype(np.float32))
    entry.codes.append(logits.argmax(2).T.numpy())
    entry.rank.append((logits > of_true).sum(2).T.numpy())


def _correlation(x: Tensor, y: Tensor) -> Tensor:
    """Pearson r of each column; columns that do not vary are left out."""
    x, y = x - x.mean(0), y - y.mean(0)
    scale = x.norm(dim=0) * y.norm(dim=0)
    return ((x * y).sum(0) / scale)[scale > 0]


def _of_one(held: HeldOut, segments: Mapping[Window, Said]) -> Iterator[Row]:
    """Scores of one source and subject."""
    latents = {part: np.concatenate(said.latents) for part, said in segments.items()}
    codes = {part: np.concatenate(said.codes, axis=1) for part, said in segments.items()}
    rank = {part: np.concatenate(said.rank, axis=1) for part, said in segments.items()}
    yield from code_rows(held.clips, "codes", rank)
    requantised = {part: held.codec.quantise(values) for part, values in latents.items()}
    wrong = {part: (found != held.codes(part)).astype(int) for part, found in requantised.items()}
    yield from code_rows(held.clips, "quantised", wrong, top=(1,))
    yield from sound_rows(held, "latents", latents)
    yield from sound_rows(held, "quantised", requantised)
    yield from sound_rows(held, "codes", codes)


def code_rows(
    clips: Sequence[Clip],
    export: str,
    rank: Mapping[Window, NDArray[np.int64]],
    top: Sequence[int] = TOP,
) -> Iterator[Row]:
    """Share of a clip's frames whose true code is among the first few, per codebook.

    `rank` holds [Q, N]: how many codes come before the true one.
    """
    for number, clip in enumerate(clips):
        for book, ranks in enumerate(rank[clip.segment][:, clip.frames]):
            for n in top:
                yield {
                    "export": export, "codebook": book + 1, "metric": f"top{n}", "clip": number,
                    "n": len(ranks), "value": float((ranks < n).mean()),
                }  # fmt: skip


def sound_rows(held: HeldOut, export: str, found: Mapping[Window, NDArray[Any]]) -> Iterator[Row]:
    """Scores of decoded sound; `found` holds latents [N, D], or codes [Q, N] (integers)."""
    sounds = {}
    for part, values in found.items():
        coded = np.issubdtype(values.dtype, np.integer)
        latents = held.codec.dequantise(values) if coded else values
        sounds[part] = held.codec.decode_latents(latents)
    for clip, metric, value in held.sound_scores(sounds):
        yield {"export": export, "metric": metric, "clip": clip, "n": 1, "value": value}
