"""The arguments that a network would get for a study known only by its sizes.

A study file states its sizes itself (``giblet.train.build``); this is for networks that are
described or measured before there is a study.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from giblet.timing import as_fraction, max_items_per_tr, seconds_to_trs


@dataclass(frozen=True)
class Sizes:
    """What a configuration does not say: the brains, and what the pretrained parts put out.

    Attributes
    ----------
    n_voxels, grid_shape
        Voxels of the mask and the grid they lie in.
    n_subjects
        Subjects with a part of their own.
    text_dim
        Numbers of a text embedding.
    codebook_size, latent_dim, hop_length
        Of the audio codec, the last in samples.
    """

    n_voxels: int = 85_000
    grid_shape: tuple[int, int, int] = (61, 73, 61)
    n_subjects: int = 17
    text_dim: int = 384
    codebook_size: int = 1024
    latent_dim: int = 96
    hop_length: int = 320


def network_arguments(config: Mapping[str, Any], sizes: Sizes) -> dict[str, Any]:
    """Keyword arguments of :class:`giblet.model.network.GibletNet`.

    Parameters
    ----------
    config
        A whole configuration.
    """
    model = dict(config["model"])
    del model["name"]
    delays, side = model.pop("hrf_delays"), model.pop("hrf_group_voxels")
    groups = {"voxel": sizes.n_voxels, "group": -(-sizes.n_voxels // side**3)}
    audio, video = config["features"]["audio"], config["stimulus"]["video"]
    rate = as_fraction(f"{audio['sample_rate_hz']}/{sizes.hop_length}")
    return {
        "subjects": [f"sub-{number:02d}" for number in range(1, sizes.n_subjects + 1)],
        "tr_s": config["tr_s"],
        "n_voxels": sizes.n_voxels,
        "grid_shape": list(sizes.grid_shape),
        "frames": video["frames_per_tr"],
        "height": video["height"],
        "width": video["width"],
        "n_codebooks": audio["n_codebooks"],
        "codebook_size": sizes.codebook_size,
        "latent_dim": sizes.latent_dim,
        "n_mels": audio["n_mels"],
        "max_frames": max_items_per_tr(as_fraction(config["tr_s"]), rate),
        "text_dim": sizes.text_dim,
        "hrf_groups": groups.get(delays, 1),
        "learn_delays": delays != "fixed",
        "follow_trs": seconds_to_trs(model.pop("follow_s"), config["tr_s"]),
        **model,
    }
