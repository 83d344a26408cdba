"""Units of each layer, and the law that layer 7 is the narrowest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from giblet.errors import ModelError

if TYPE_CHECKING:
    from giblet.model.network import GibletNet

WIDENED_BY = {
    "1": "stimulus/video size",
    "2": "model/video_channels, model/audio_channels",
    **dict.fromkeys(("3", "11"), "model/video_channels, model/audio_channels"),
    **dict.fromkeys(("4", "10"), "model/video_width, model/audio_width, model/text_width"),
    **dict.fromkeys(("5", "9"), "more voxels: a finer grid or a larger mask"),
    **dict.fromkeys(("6", "8"), "model/volume_channels, or model/parcel_width"),
    "12": "model/video_channels, model/audio_channels",
    "13": "stimulus/video size, model/frames_out",
}


def layer_widths(net: GibletNet) -> dict[str, int]:
    """Total number of units of each layer for one TR."""
    text_dim, n_voxels, features, bottleneck, pixels = net.sizes
    pooled = sum(net.pool.n_in)
    n_codebooks, codebook_size = net.audio_out.code_head.sizes
    latent_dim = net.audio_out.latent_dim
    return {
        "1": net.frames * pixels + net.max_frames * (n_codebooks + latent_dim) + text_dim,
        "2": net.video_in.width + net.audio_in.width + text_dim,
        "3": pooled,
        "4": features,
        "5": n_voxels,
        "6": net.volume_in.width,
        "7": bottleneck,
        "8": net.volume_in.width,
        "9": n_voxels,
        "10": features,
        "11": pooled,
        "12": net.video_out.width + net.audio_out.width + text_dim,
        "13": net.frames_out * pixels
        + net.max_frames * (n_codebooks * codebook_size + latent_dim)
        + text_dim,
    }


def check_widths(widths: Mapping[str, int]) -> None:
    """Refuse a network whose layer 7 is not the narrowest.

    Raises
    ------
    ModelError
        Naming the layer, both widths and the settings that widen it.
    """
    for layer, width in widths.items():
        if layer != "7" and width <= widths["7"]:
            raise ModelError(
                f"layer {layer} has {width} units, the bottleneck (layer 7) {widths['7']}: "
                "it must be the narrowest; lower model/bottleneck or widen layer "
                f"{layer} ({WIDENED_BY[layer]})"
            )
