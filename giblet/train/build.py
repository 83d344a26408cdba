"""A network for a study: sizes and constants from the study, choices from the config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from giblet.errors import ModelError, TrainError
from giblet.model.audio import AudioDecoder
from giblet.model.brain import VolumeDecoder, VolumeEncoder
from giblet.model.hrf import wiener_filters
from giblet.model.network import GibletNet
from giblet.model.pool import MODALITIES
from giblet.model.video import VideoDecoder
from giblet.model.widths import narrowest
from giblet.results import first_line, read_made_json
from giblet.store import replacing
from giblet.timing import seconds_to_trs
from giblet.train.codes import log_unigram
from giblet.train.data import Study

# Drive persists over TRs of a film; between the values of a still and of a fast-cut one.
PERSISTENCE = 0.5
NOISE_RANGE = (0.25, 4.0)  # of noise variance over signal variance
# Of the narrowest other layer, for a bottleneck that has to be lowered.
BOTTLENECK_SHARE = 0.75
LEARN_DELAYS = ("fixed", "study", "group", "voxel")


def network_kwargs(
    study: Study,
    *,
    hrf_delays: str = "voxel",
    hrf_group_voxels: int = 3,
    follow_s: float = 12.0,
    **choices: Any,
) -> dict[str, Any]:
    """Keyword arguments of :class:`GibletNet` for a study.

    Parameters
    ----------
    hrf_delays
        ``fixed``, or who shares a learnt delay: the whole ``study``, a ``group`` (cube of
        `hrf_group_voxels` voxels a side) or each ``voxel``.
    follow_s
        Seconds after a TR that the inverse of the HRF reads.
    choices
        Everything else, passed on.
    """
    frames, height, width, _ = study.frame_shape
    if frames and choices.get("frames_out", 1) > frames:
        raise ModelError(
            f"model/frames_out is {choices['frames_out']}, but {study.path} holds {frames} frames "
            "a TR: lower it or raise stimulus/video/frames_per_tr"
        )
    groups = delay_groups(study, hrf_delays, hrf_group_voxels)
    kwargs = {
        "subjects": study.subjects,
        "tr_s": study.tr_s,
        "n_voxels": study.n_voxels,
        "grid_shape": [int(n) for n in _extent(study)],
        "frames": frames,
        "height": height,
        "width": width,
        "n_codebooks": study.n_codebooks,
        "codebook_size": study.codebook_size,
        "latent_dim": study.latent_dim,
        "n_mels": study.n_mels,
        "max_frames": study.max_frames,
        "text_dim": study.text_dim,
        "video_embedding_dim": study.embedding_dim,
        "hrf_groups": int(groups.max()) + 1,
        "learn_delays": hrf_delays != "fixed",
        "follow_trs": seconds_to_trs(follow_s, study.tr_s),
        **choices,
        "frames_out": choices.get("frames_out", 1) if frames else 0,
    }
    if len(study.modalities) < len(MODALITIES):
        _lower_bottleneck(kwargs, study)
    return kwargs


def _lower_bottleneck(kwargs: dict[str, Any], study: Study) -> None:
    """Keep layer 7 the narrowest where a study lacks modalities, and the layers their units."""
    with torch.device("meta"):
        least = narrowest(GibletNet(**{**kwargs, "bottleneck": 1}).layer_widths())
    asked = kwargs.get("bottleneck", 2048)
    if asked >= least:
        kwargs["bottleneck"] = max(1, int(BOTTLENECK_SHARE * least))
        print(
            f"{study.path} has {', '.join(study.modalities)} only, which leaves a layer of {least} "
            f"units: the bottleneck is lowered from {asked} to {kwargs['bottleneck']}"
        )


def _ijk(study: Study) -> np.ndarray | None:
    if study.file.attrs["kind"] != "voxels":
        return None
    return np.asarray(study.file["geometry/ijk"][:], dtype=np.int64)


def _extent(study: Study) -> np.ndarray:
    """Size of the box around all voxels; empty for parcels."""
    ijk = _ijk(study)
    if ijk is None:
        return np.empty(0, int)
    if len(ijk) != study.n_voxels:
        raise ModelError(
            f"{study.path}: geometry/ijk has {len(ijk)} voxels, the BOLD {study.n_voxels}: run "
            "snakemake again from the brain stage"
        )
    return np.ptp(ijk, axis=0) + 1


def delay_groups(study: Study, hrf_delays: str, side: int) -> np.ndarray:
    """Number of the delay group of each voxel, int64 [V]."""
    if hrf_delays not in LEARN_DELAYS:
        raise ModelError(
            f"model/hrf_delays is {hrf_delays!r}: use one of {', '.join(LEARN_DELAYS)}"
        )
    ijk = _ijk(study)
    if hrf_delays == "voxel" or (hrf_delays == "group" and ijk is None):
        return np.arange(study.n_voxels)
    if hrf_delays == "group" and ijk is not None:
        return np.unique(ijk // side, axis=0, return_inverse=True)[1].ravel()
    return np.zeros(study.n_voxels, np.int64)


@torch.no_grad()
def build_network(
    study: Study, *, seed: int, hrf_delays: str, hrf_group_voxels: int, **choices: Any
) -> tuple[GibletNet, dict[str, Any]]:
    """A fresh network with the study's geometry and constants in place.

    Returns
    -------
    the network, and the keyword arguments that make another one like it
    """
    torch.manual_seed(seed)
    kwargs = network_kwargs(
        study, hrf_delays=hrf_delays, hrf_group_voxels=hrf_group_voxels, **choices
    )
    net = GibletNet(**kwargs)
    ijk = _ijk(study)
    if isinstance(net.volume_in, VolumeEncoder) and isinstance(net.volume_out, VolumeDecoder):
        assert ijk is not None
        place = np.ravel_multi_index((ijk - ijk.min(0)).T, net.volume_in.padded)
        net.volume_in.place.copy_(torch.from_numpy(place))
        net.volume_out.place.copy_(net.volume_in.place)
    group = torch.from_numpy(delay_groups(study, hrf_delays, hrf_group_voxels))
    net.hrf.group.copy_(group)
    net.delag.group.copy_(group)
    set_delag(net)
    if isinstance(net.video_out, VideoDecoder):
        mean = torch.from_numpy(study.video_mean).mean(0).movedim(-1, 0) / 255  # [3, H, W]
        net.video_out.mean_frame.copy_(mean)
    set_code_frequencies(net, log_unigram(study.code_counts))
    return net, kwargs


def set_code_frequencies(net: GibletNet, log_unigram_QK: torch.Tensor) -> None:
    """Let the code head start as the constant that its losses are held against."""
    if isinstance(net.audio_out, AudioDecoder):
        net.audio_out.code_head.log_unigram.copy_(log_unigram_QK)


@torch.no_grad()
def set_delag(net: GibletNet, explained: torch.Tensor | None = None) -> None:
    """Set the inverse filters to the best linear ones for the present delays.

    Parameters
    ----------
    explained : [V], optional
        Share of each voxel's variance that its drive explains; a half where unknown. The less
        it is, the more a filter smooths.
    """
    kernels = net.hrf.kernels().double().cpu().numpy()
    share = np.full(len(kernels), 0.5)
    if explained is not None:
        group = net.hrf.group.cpu().numpy()
        total = np.bincount(group, explained.cpu().numpy(), len(kernels))
        share = total / np.maximum(np.bincount(group, minlength=len(kernels)), 1)
    noise = np.clip(1 / np.clip(share, 1e-3, 1) - 1, *NOISE_RANGE)
    noise = 2 ** np.round(np.log2(noise))  # few distinct filters, whatever the number of voxels
    distinct, back = np.unique(np.column_stack([kernels, noise]), axis=0, return_inverse=True)
    found = wiener_filters(
        distinct[:, :-1], distinct[:, -1], net.delag.n_follow, persistence=PERSISTENCE
    )
    net.delag.filter.copy_(torch.from_numpy(found[back.ravel()]))


def save_weights(weights: Mapping[str, torch.Tensor], path: str | Path) -> None:
    """Write weights and buffers as safetensors."""
    from safetensors.torch import save_file

    with replacing(path) as partial:
        save_file({name: value.contiguous() for name, value in weights.items()}, partial)
        # safetensors writes for the owner only; results are a lab's.
        partial.chmod(0o644)


def load_network(model_dir: str | Path, weights: str = "model.safetensors") -> GibletNet:
    """Rebuild a trained network from its folder, ready to predict.

    Raises
    ------
    TrainError
        If a file is missing or does not fit the network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(model_dir)
    for name in ("model.json", weights):
        if not (folder / name).exists():
            raise TrainError(f"{folder / name}: no such file: run snakemake train")
    kwargs = read_made_json(folder / "model.json")
    # On the meta device nothing is computed that the file overwrites anyway.
    with torch.device("meta"):
        try:
            net = GibletNet(**kwargs)
        except Exception as error:  # sizes that do not fit fail in many ways
            raise TrainError(
                f"{folder / 'model.json'}: describes no network ({error}): delete the folder and "
                "train again"
            ) from error
    try:
        net.load_state_dict(load_file(folder / weights), assign=True)
    except (SafetensorError, RuntimeError, ValueError, KeyError, OSError) as error:
        raise TrainError(
            f"{folder / weights}: does not hold the weights that {folder / 'model.json'} "
            f"describes ({first_line(error)}): delete the folder and train again"
        ) from error
    return net.eval()
