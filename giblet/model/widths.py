"""How wide each layer is, and that the bottleneck is the narrowest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from giblet.errors import ModelError
from giblet.model.audio import AudioDecoder

if TYPE_CHECKING:
    from giblet.model.network import GibletNet

BOTTLENECK = "7"
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
    heard = made = 0
    if isinstance(net.audio_out, AudioDecoder):
        n_codebooks, codebook_size = net.audio_out.code_head.sizes
        latent_dim = net.audio_out.latent_dim
        heard = net.max_frames * (n_codebooks + latent_dim)
        made = net.max_frames * (n_codebooks * codebook_size + latent_dim)
    return {
        "1": net.frames * pixels + heard + text_dim,
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
        "13": net.frames_out * pixels + made + text_dim,
    }


def narrowest(widths: dict[str, int]) -> int:
    """Width of the narrowest layer but the bottleneck."""
    return min(width for layer, width in widths.items() if layer != BOTTLENECK)


def check_widths(widths: dict[str, int]) -> None:
    """Refuse a bottleneck that is not the narrowest layer.

    Raises
    ------
    ModelError
        Naming the layer, both widths and the settings that change them.
    """
    for layer, width in widths.items():
        if layer != BOTTLENECK and width <= widths[BOTTLENECK]:
            raise ModelError(
                f"layer {layer} has {width} units, the bottleneck (layer 7) "
                f"{widths[BOTTLENECK]}: it must be the narrowest; lower model/bottleneck or widen "
                f"layer {layer} ({WIDENED_BY[layer]})"
            )
