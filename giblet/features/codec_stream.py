"""EnCodec's layers fed piece by piece, equal to feeding the whole stream at once.

Convolutions see a bounded stretch of their input, so each piece is run with that much of
its surroundings and only what is unaffected by the seams is kept. An LSTM sees the whole
past, so its state is carried from piece to piece. Memory does not grow with the stream.

A stack of layers moves in *steps*: the encoder turns `down` samples into one latent a step,
the decoder one latent into `up` samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any


@dataclass(frozen=True)
class Reach:
    """How a stack of convolutions moves and what it sees.

    `down` inputs and `up` outputs a step; an output of step j depends on the inputs of
    steps ``j - around .. j + around`` at most.
    """

    down: int
    up: int
    around: int


def reach(layers: Iterable[Any]) -> Reach:
    """Reach of a stack of EnCodec layers (convolutions, residual blocks, activations)."""
    # Outputs per input so far, and the furthest input seen, in inputs of the stack.
    rate, around = Fraction(1), Fraction(0)
    for layer in layers:
        around += _own_reach(layer) / rate
        rate *= _rate(layer)
    return Reach(rate.denominator, rate.numerator, ceil(around / rate.denominator))


def _own_reach(layer: Any) -> int:
    """Most inputs that a layer sees to either side of the one its output stands at.

    Both sides count alike even in a causal layer: at the ends of a stream the padding
    reflects, so that the first outputs depend on inputs that far ahead.
    """
    kind = type(layer).__name__
    if kind == "EncodecResnetBlock":
        return sum(_own_reach(part) for part in layer.block)
    if kind == "EncodecConv1d":
        span, total = int(layer.kernel_size), int(layer.padding_total)
        before = total if layer.causal else total - total // 2
        return max(before, span - 1 - before)
    if kind == "EncodecConvTranspose1d":
        return ceil(Fraction(layer.conv.kernel_size[0], layer.conv.stride[0]))
    return 0


def _rate(layer: Any) -> Fraction:
    """Outputs per input of a layer."""
    kind = type(layer).__name__
    if kind == "EncodecConv1d":
        return Fraction(1, int(layer.stride))
    if kind == "EncodecConvTranspose1d":
        return Fraction(layer.conv.stride[0])
    return Fraction(1)


class ConvolutionStage:
    """A stack of convolutions with the part of its input that is still needed."""

    def __init__(self, layers: list[Any]) -> None:
        self.layers = layers
        self.reach = reach(layers)
        self._kept: Any = None
        self._kept_from = 0
        self._n_emitted = 0

    def push(self, piece: Any, last: bool) -> Any:
        """Outputs that are now certain, (C, n), or None; `piece` is (C, n) of whole steps."""
        import torch

        down, up, around = self.reach.down, self.reach.up, self.reach.around
        parts = [part for part in (self._kept, piece) if part is not None]
        if not parts:
            return None
        held = torch.cat(parts, dim=1)
        n_here = self._kept_from + held.shape[1] // down
        certain = n_here if last else n_here - around
        if certain <= self._n_emitted:
            self._kept = held
            return None
        out = held[None]
        for layer in self.layers:
            out = layer(out)
        start, stop = (up * (k - self._kept_from) for k in (self._n_emitted, certain))
        keep_from = max(self._kept_from, certain - around)
        self._kept = held[:, (keep_from - self._kept_from) * down :].clone()
        self._kept_from, self._n_emitted = keep_from, certain
        return out[0, :, start:stop]


class LstmStage:
    """EnCodec's LSTM with its skip connection and its state."""

    def __init__(self, layer: Any) -> None:
        self.lstm = layer.lstm
        self._state: Any = None

    def push(self, piece: Any, last: bool) -> Any:
        """Outputs of the same shape as `piece`, (C, n), or None for None."""
        if piece is None:
            return None
        steps = piece.t()[:, None]  # (n, 1, C)
        out, self._state = self.lstm(steps, self._state)
        return (out + steps)[:, 0].t()


def stages(layers: Iterable[Any]) -> list[ConvolutionStage | LstmStage]:
    """An encoder or decoder as stages, split at its LSTMs."""
    out: list[ConvolutionStage | LstmStage] = []
    stack: list[Any] = []
    for layer in layers:
        if type(layer).__name__ == "EncodecLSTM":
            if stack:
                out.append(ConvolutionStage(stack))
            out.append(LstmStage(layer))
            stack = []
        else:
            stack.append(layer)
    if stack:
        out.append(ConvolutionStage(stack))
    return out


def stream(layers: Iterable[Any], pieces: Iterable[Any]) -> Iterator[Any]:
    """Run layers over a stream of (C, n) tensors of whole steps.

    Yields
    ------
    Tensors of shape (C_out, n_out), which concatenated equal the one-shot result. Their
    lengths differ from those of the pieces: what a later piece can change comes with it.
    """
    chain = stages(layers)
    pending = None
    for piece in pieces:
        if pending is not None:
            out = _through(chain, pending, last=False)
            if out is not None:
                yield out
        pending = piece
    if pending is not None:
        out = _through(chain, pending, last=True)
        if out is not None:
            yield out


def _through(chain: list[ConvolutionStage | LstmStage], piece: Any, last: bool) -> Any:
    for stage in chain:
        piece = stage.push(piece, last)
    return piece
