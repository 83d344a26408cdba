"""Loading an EnCodec through its library, and refusing those that giblet cannot run."""

from __future__ import annotations

from typing import Any

from giblet.errors import CodecError
from giblet.features import pretrained
from giblet.features.weights import CODECS

DEFAULT = "giblet-12khz"


def load_encodec(name: str, revision: str | None) -> Any:
    """Load a codec's network by packaged name, hub id or folder, ready to run.

    Raises
    ------
    CodecError
        If weights are missing, it is not mono, or it cannot be run in pieces.
    PretrainedModelError
        If it is not on this machine and cannot be fetched.
    """
    import torch
    from transformers import EncodecModel

    packaged = CODECS / name
    model, found = pretrained.load(
        EncodecModel.from_pretrained,
        packaged if packaged.is_dir() else name,
        revision=revision,
        purpose="encoding the soundtrack",
        setting="features/audio/codec",
        instead=DEFAULT,
        dtype=torch.float32,
        use_safetensors=True,
        output_loading_info=True,
    )
    if found["missing_keys"]:
        raise CodecError(
            f"codec {name!r}: its weights lack {len(found['missing_keys'])} tensors "
            f"({min(found['missing_keys'])}, ...): the folder is incomplete or of another model"
        )
    _refuse_unsuitable(name, model.config)
    return model.eval()


def _refuse_unsuitable(name: str, config: Any) -> None:
    if config.audio_channels != 1:
        raise CodecError(
            f"codec {name!r} has {config.audio_channels} audio channels, giblet's sound is mono: "
            f"use {DEFAULT} or facebook/encodec_24khz"
        )
    if config.norm_type != "weight_norm" or config.normalize or config.chunk_length_s:
        raise CodecError(
            f"codec {name!r} normalises over time (norm_type {config.norm_type}, normalize "
            f"{config.normalize}, chunk_length_s {config.chunk_length_s}), so a stream cannot be "
            f"run in pieces: use {DEFAULT} or facebook/encodec_24khz"
        )
