"""Parameters and units of each layer, as a table and a diagram, from the network itself.

    python -m giblet.model.describe docs/full-size.md docs/full-size.svg

rewrites the generated part of the page and the drawing, for ``config/model/full.yaml`` unless
other configurations are named with ``--config``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from giblet.config import SCHEMAS, complete
from giblet.errors import ModelError
from giblet.model.diagram import Box, drawing
from giblet.model.full_size import Sizes, network_arguments
from giblet.model.network import GibletNet
from giblet.store import replacing

CONFIGS = (SCHEMAS.parent / "config.yaml", SCHEMAS.parent / "model" / "full.yaml")
BEGIN, END = "<!-- generated: layers -->", "<!-- end of generated -->"
# The layer of each part of the network; the longest beginning of a parameter's name counts.
LAYER_OF = {
    "video_in": "2A", "audio_in": "2B", "text_in": "2C", "pool": "3", "context_in": "4",
    "brain": "5", "hrf": "5", "delag": "5", "gain": "5", "own_gain": "5",
    "volume_in": "6", "bottleneck": "7", "bottleneck.up": "8", "volume_out": "9",
    "brain_out": "10", "context_out": "10", "unpool": "11", "video_out": "12A",
    "audio_out": "12B", "text_out": "12C", "video_out.out": "13", "audio_out.latent_head": "13",
    "audio_out.code_head": "13",
}  # fmt: skip
WHAT = {
    "1": "stimulus: frames, codec codes and latents, text embedding",
    "2A": "picture: (2+1)D convolutions, coarse picture",
    "2B": "sound: codebook embeddings, dilated convolutions",
    "2C": "words: linear",
    "3": "modalities pooled",
    "4": "features over TRs, causal",
    "5": "brain: the neural drive of each voxel",
    "6": "volume: strided 3-D convolutions",
    "7": "bottleneck",
    "8": "volume mirrored",
    "9": "brain mirrored: transposed 3-D convolutions",
    "10": "features over TRs",
    "11": "modalities unpooled",
    "12A": "picture: transposed convolutions",
    "12B": "sound: temporal basis, dilated convolutions",
    "12C": "words: linear",
    "13": "stimulus again: frames, codec latents and codes, text embedding",
}


@dataclass(frozen=True)
class Layer:
    """A layer's units for one TR and its trained numbers."""

    name: str
    units: int
    parameters: int


def layer_of(parameter: str) -> str:
    """Layer that a parameter belongs to.

    Raises
    ------
    ModelError
        If the network has a part that no layer is known for.
    """
    parts = parameter.split(".")
    for length in range(len(parts), 0, -1):
        found = LAYER_OF.get(".".join(parts[:length]))
        if found is not None:
            return found
    raise ModelError(
        f"the network's part {parameter!r} belongs to no layer: name one in "
        "giblet.model.describe.LAYER_OF"
    )


def layers(net: GibletNet) -> list[Layer]:
    """All layers from 1 to 13, those of single modalities apart."""
    parameters = dict.fromkeys(WHAT, 0)
    for name, parameter in net.named_parameters():
        parameters[layer_of(name)] += parameter.numel()
    widths = net.layer_widths()
    text = net.sizes[0]
    apart = {
        "2A": net.video_in.width, "2B": net.audio_in.width, "2C": text,
        "12A": net.video_out.width, "12B": net.audio_out.width, "12C": text,
    }  # fmt: skip
    return [Layer(name, apart.get(name, widths.get(name, 0)), parameters[name]) for name in WHAT]


def described(config: Mapping[str, Any], sizes: Sizes | None = None) -> list[Layer]:
    """Layers of the network that a configuration makes, which is not filled with numbers."""
    with torch.device("meta"):
        return layers(GibletNet(**network_arguments(config, sizes or Sizes())))


def table(found: Sequence[Layer]) -> str:
    """The layers as a Markdown table."""
    rows = ["| layer | | units a TR | parameters |", "|---|---|--:|--:|"]
    for layer in found:
        name = f"**{layer.name}**" if layer.name in ("5", "7") else layer.name
        count = f"{layer.parameters:,}" if layer.parameters else ""
        rows.append(f"| {name} | {WHAT[layer.name]} | {layer.units:,} | {count} |")
    total = sum(layer.parameters for layer in found)
    return "\n".join([*rows, f"| | **all** | | **{total:,}** |"])


def diagram(found: Sequence[Layer]) -> str:
    """The layers as a drawing (SVG)."""
    boxes = [Box(one.name, WHAT[one.name], one.units, one.parameters) for one in found]
    return drawing(boxes)


def with_generated(page: str, text: str, path: str | Path = "the page") -> str:
    """A page with what stands between its two marks replaced.

    Raises
    ------
    ModelError
        If the page lacks the marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ModelError(f"{path}: lacks the lines {BEGIN!r} and {END!r} to write between")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def read_configs(paths: Sequence[str | Path]) -> dict[str, Any]:
    """Configuration files, the later ones over the earlier ones, as Snakemake lays them."""
    config: dict[str, Any] = {}
    for path in paths:
        with Path(path).open(encoding="utf-8") as handle:
            _lay_over(config, yaml.safe_load(handle) or {})
    return complete(config)


def _lay_over(config: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(config.get(key), dict):
            _lay_over(config[key], value)
        else:
            config[key] = value


def main(arguments: Sequence[str] | None = None) -> None:
    """Rewrite a page's table and its drawing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("page", type=Path, help="Markdown page with the two marks")
    parser.add_argument("drawing", type=Path, help="SVG file to write")
    parser.add_argument("--config", nargs="+", type=Path, default=CONFIGS)
    given = parser.parse_args(arguments)
    found = described(read_configs(given.config))
    page = with_generated(given.page.read_text(encoding="utf-8"), table(found), given.page)
    for path, text in ((given.page, page), (given.drawing, diagram(found))):
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
