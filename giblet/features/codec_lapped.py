"""A start for a codec: layers set so that it is a lapped transform before the first step.

From random weights, training spends its first hours finding out how to pass a waveform through
five strides, and with spectral losses it settles for one whose phase has nothing to do with the
input's. Here the strided layers hand the samples on as they are (a block of samples becomes
channels), the last layer of the encoder is a windowed MDCT (Princen & Bradley 1987) projected on
its principal components, and the decoder is the inverse. With codebooks from k-means that is
already a working codec; training then bends it.

The activations are out of the way at first: samples are carried on a positive offset, where ELU
is the identity. Channels that carry nothing keep their random weights.

Legend: H hop, D latent size, W = 2 H samples of a window, n frames.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from giblet.errors import CodecError

# Spread of what is carried, and the offset that keeps all but rare peaks where ELU is straight.
SPREAD = 0.8
OFFSET = 4.0
# Share of a residual block's random weights that is left.
SIDE_GAIN = 1e-3
# The same at the sound's own rate, where it would be heard.
OUTER_SIDE_GAIN = 1e-5
# Share of its spread that a band is divided by: between the waveform's own error (0), which
# spends all bits on the lowest bands, and every band alike (1).
FLATTENING = 0.7

Floats = NDArray[np.floating]


def lapped_basis(samples: Floats, hop_length: int, n_dims: int) -> tuple[Floats, Floats]:
    """Analysis and synthesis vectors of a windowed MDCT, reduced to its principal components.

    Parameters
    ----------
    samples
        Sound of shape (n,) or examples of shape (B, n) to find the components on.

    Returns
    -------
    analysis : array of shape (W, D)
        ``latent[j] = window[j] @ analysis`` for the W samples centred on frame j.
    synthesis : array of shape (D, W)
        What a latent adds to those samples; overlapping frames are added up.
    """
    size = 2 * hop_length
    at = np.arange(size)
    window = np.sin(np.pi * (at + 0.5) / size)
    band = np.arange(hop_length)[:, None]
    cosines = np.cos(np.pi / hop_length * (band + 0.5) * (at + 0.5 + hop_length / 2))
    transform = (cosines * np.sqrt(2 / hop_length) * window).T  # (W, H)
    rows = np.atleast_2d(samples)
    frames = np.lib.stride_tricks.sliding_window_view(rows, size, axis=1)[:, ::hop_length]
    bands = frames.reshape(-1, size) @ transform  # (n, H)
    spread = np.sqrt(np.mean(bands**2, axis=0)) + 1e-6
    weights = spread**-FLATTENING
    flattened = bands * weights
    _, vectors = np.linalg.eigh(flattened.T @ flattened)
    kept = vectors[:, ::-1][:, :n_dims]  # (H, D)
    scale = 1 / np.std(flattened @ kept)
    analysis = transform @ (weights[:, None] * kept) * scale
    synthesis = (kept / weights[:, None] / scale).T @ transform.T
    return analysis, synthesis


@torch.no_grad()
def start_from_lapped_transform(model: Any, samples: Floats) -> None:
    """Set a new model's weights so that it codes by :func:`lapped_basis`.

    Parameters
    ----------
    model
        An ``EncodecModel`` with one audio channel and layers wide enough to hold the samples:
        after strides of s1, s2, ... at least s1, s1 * s2, ... channels.
    samples
        Examples of shape (B, n) that the components are found on.

    Raises
    ------
    CodecError
        If a layer is too narrow.
    """
    config = model.config
    hop, n_dims = int(config.hop_length), int(config.hidden_size)
    analysis, synthesis = (
        torch.from_numpy(part).float() for part in lapped_basis(samples, hop, n_dims)
    )
    encoder = _convolutions(model.encoder)
    decoder = _convolutions(model.decoder)
    for part in (model.encoder, model.decoder):
        _silence_side_paths(part, hop, int(config.num_filters))
    strides = [int(r) for r in reversed(config.upsampling_ratios)]
    blocks = [_Blocks(samples, int(size)) for size in np.cumprod([1, *strides])]
    _carry_in(encoder, blocks, config)
    _carry_out(decoder, blocks[::-1], config)

    last = encoder[-1]
    weight = torch.zeros_like(last.weight)  # (D, C, taps)
    for tap, place, rows in _overlaps(hop, weight.shape[2]):
        weight[:, :hop, tap] += analysis[rows].t() @ blocks[-1].back[place]
    set_convolution(last, weight, -OFFSET * weight.sum((1, 2)))
    first = decoder[0]
    weight = torch.zeros_like(first.weight)  # (C, D, taps)
    for tap, place, rows in _overlaps(hop, weight.shape[2], mirrored=True):
        weight[:hop, :, tap] += blocks[-1].there[:, place] @ synthesis[:, rows].t()
    bias = first.bias.clone()
    weight[hop + 1 :] = first.weight[hop + 1 :]
    bias[:hop], bias[hop] = OFFSET, 1.0
    set_convolution(first, weight, bias)


class _Blocks:
    """Blocks of samples as decorrelated coefficients of about equal spread (DCT).

    `there` (n, n) turns a block of n samples into coefficients, `back` is its inverse.
    """

    def __init__(self, samples: Floats, size: int) -> None:
        at = np.arange(size)
        cosines = np.cos(np.pi / size * (at[:, None]) * (at[None] + 0.5)) * np.sqrt(2 / size)
        cosines[0] /= np.sqrt(2)
        rows = np.atleast_2d(samples)
        blocks = rows[:, : rows.shape[1] // size * size].reshape(-1, size)
        spread = np.sqrt(np.mean((blocks @ cosines.T) ** 2, axis=0))
        spread = np.maximum(spread, 0.03 * spread.max())
        # Single samples reach from -1 to 1, and none of them may be bent.
        gain = SPREAD / spread if size > 1 else np.full(1, OFFSET)
        self.size = size
        self.there = torch.from_numpy(cosines * gain[:, None]).float()
        self.back = torch.from_numpy(cosines.T / gain).float()


def _overlaps(hop: int, taps: int, mirrored: bool = False) -> list[tuple[int, slice, slice]]:
    """Tap of a convolution over frames, samples of that frame, and where in the window.

    The window of a frame begins half a hop before it. With `mirrored`, the samples are those
    of the frame itself, and the tap is the frame whose window reaches them.
    """
    half, middle = hop // 2, taps // 2
    early, whole, late = slice(half, hop), slice(0, hop), slice(0, hop - half)
    if mirrored:
        return [
            (middle - 1, late, slice(hop + half, 2 * hop)),
            (middle, whole, slice(half, half + hop)),
            (middle + 1, early, slice(0, half)),
        ]
    return [
        (middle - 1, early, slice(0, half)),
        (middle, whole, slice(half, half + hop)),
        (middle + 1, late, slice(hop + half, 2 * hop)),
    ]


def _convolutions(part: Any) -> list[Any]:
    """Convolutions on the main path, in order."""
    kinds = ("EncodecConv1d", "EncodecConvTranspose1d")
    return [layer.conv for layer in part.layers if type(layer).__name__ in kinds]


def _silence_side_paths(part: Any, hop: int, n_outer: int) -> None:
    """Residual blocks and LSTMs add (almost) nothing to what passes them."""
    for layer in part.layers:
        kind = type(layer).__name__
        if kind == "EncodecResnetBlock":
            last = layer.block[-1].conv
            gain = OUTER_SIDE_GAIN if last.out_channels == n_outer else SIDE_GAIN
            set_convolution(last, gain * last.weight, torch.zeros_like(last.bias))
        elif kind == "EncodecLSTM":
            for name, parameter in layer.lstm.named_parameters():
                if name.startswith("bias"):
                    parameter.zero_()
                elif "_ih_" in name:
                    # Gates are input, forget, cell, output: without cell input, no output.
                    size = len(parameter) // 4
                    parameter[2 * size : 3 * size] = 0
            # Gates stand half open at the offset; one that stood open would add up for ever.
            layer.lstm.bias_ih_l0.copy_(-OFFSET * layer.lstm.weight_ih_l0[:, :hop].sum(1))


def _carry_in(layers: list[Any], blocks: list[_Blocks], config: Any) -> None:
    """Encoder: samples become channel 0, then longer and longer blocks become channels."""
    first, *strided = layers[:-1]
    weight, bias = first.weight.clone(), first.bias.clone()
    weight[0] = 0
    weight[0, 0, weight.shape[2] // 2] = blocks[0].there[0, 0]
    bias[0] = OFFSET
    set_convolution(first, weight, bias)
    for layer, short, long in zip(strided, blocks, blocks[1:], strict=False):
        _require_width(layer.out_channels, long.size, config)
        weight, bias = layer.weight.clone(), layer.bias.clone()  # (out, in, taps)
        stride = long.size // short.size
        before = stride - stride // 2
        weight[: long.size] = 0
        for place in range(stride):
            part = slice(place * short.size, (place + 1) * short.size)
            weight[: long.size, : short.size, before + place] = long.there[:, part] @ short.back
        if short.size == 1:
            # The sound's own rate carries channel 0 only: the others take their pick of it.
            spare = torch.randn_like(weight[long.size :, 0])
            weight[long.size :] = 0
            weight[long.size :, 0] = spare / spare.norm(dim=1, keepdim=True)
        bias -= OFFSET * weight[:, : short.size].sum((1, 2))
        bias[: long.size] = OFFSET - OFFSET * weight[: long.size].sum((1, 2))
        set_convolution(layer, weight, bias)


def _carry_out(layers: list[Any], blocks: list[_Blocks], config: Any) -> None:
    """Decoder: channels become shorter and shorter blocks, channel 0 becomes the sound."""
    *strided, last = layers[1:]
    for layer, long, short in zip(strided, blocks, blocks[1:], strict=False):
        weight, bias = layer.weight.clone(), layer.bias.clone()  # (in, out, taps)
        _require_width(layer.in_channels, long.size + 1, config)
        stride = long.size // short.size
        before = stride - stride // 2
        weight[:, : short.size] = 0
        for place in range(stride):
            part = slice(place * short.size, (place + 1) * short.size)
            taps = (short.there @ long.back[part]).t()  # (long, short)
            weight[: long.size, : short.size, before + place] = taps
            # The offset arrives at each place differently; the constant channel undoes that.
            undo = OFFSET - OFFSET * taps.sum(0)
            weight[long.size, : short.size, before + place] = undo
        bias[: short.size] = 0
        if short.size > 1:
            weight[:, short.size] = 0
            bias[short.size] = 1.0
        set_convolution(layer, weight, bias)
    weight = torch.zeros_like(last.weight)
    weight[0, 0, weight.shape[2] // 2] = blocks[-1].back[0, 0]
    set_convolution(last, weight, -OFFSET * weight.sum((1, 2)))


def _require_width(found: int, needed: int, config: Any) -> None:
    if found < needed:
        raise CodecError(
            f"features/train_codec/num_filters {config.num_filters} gives a layer of {found} "
            f"channels where {needed} samples have to pass: use at least "
            f"{-(-config.num_filters * needed // found)}"
        )


def set_convolution(layer: Any, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Set a convolution with weight normalisation, which needs a direction for zeros too."""
    size = weight.flatten(1).norm(dim=1)
    shape = (-1, *[1] * (weight.dim() - 1))
    direction = torch.where(size.view(shape) > 0, weight, torch.randn_like(weight))
    normalised = layer.parametrizations.weight
    normalised.original0.copy_(size.view(shape))
    normalised.original1.copy_(direction)
    layer.bias.copy_(bias)
