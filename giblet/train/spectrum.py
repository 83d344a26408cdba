"""A spectral distance of sounds, through the codec's frozen decoder.

The network's latents and the true ones are decoded alike, a few TRs at a time, and their mel
spectra compared at several resolutions (as in Yamamoto et al. 2020, ICASSP, with mel bands).
The decoder is no part of the network: its weights get no gradient and are not saved with it.
Suffixes: ``giblet.model.stimulus``; L frames of an excerpt.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from giblet.features.mel import FLOOR, mel_filters

WINDOWS = (256, 512, 1024)  # samples
BANDS_OF_WINDOW = 8  # samples of a window for each mel band
# Excerpts apart, in their length, that a whole split is scored at: decoding costs time.
SPACING = 4


class SpectralDistance:
    """Mean absolute difference of log-mel amplitudes, over resolutions; sounds [b, n]."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.filters = [
            torch.from_numpy(mel_filters(size // BANDS_OF_WINDOW, size, sample_rate_hz)).float()
            for size in WINDOWS
        ]

    def __call__(self, sound: Tensor, other: Tensor) -> Tensor:
        """[b, n], [b, n] -> [b]"""
        total = sound.new_zeros(len(sound))
        for size, filters in zip(WINDOWS, self.filters, strict=True):
            one, two = (self._log_mel(x, size, filters.to(x.device)) for x in (sound, other))
            total = total + (one - two).abs().mean((1, 2))
        return total / len(WINDOWS)

    def _log_mel(self, sound: Tensor, size: int, filters: Tensor) -> Tensor:
        window = torch.hann_window(size, device=sound.device)
        found = torch.stft(
            sound, size, size // 4, window=window, return_complex=True, pad_mode="constant"
        )  # [b, bins, steps]
        power = found.real.square() + found.imag.square()
        power = power * (2 / (size * window.square().sum()))
        bands = power.transpose(1, 2) @ filters  # [b, steps, M]
        return 0.5 * (bands + FLOOR**2).log()


class Spectrum:
    """The spectral loss of latents, standardised as the network makes them.

    Parameters
    ----------
    decoder
        The codec's decoder, latents [b, D, L] to sound [b, 1, samples].
    mean, std
        What latents were standardised by, [D].
    sample_rate_hz
        Of the decoder's sound.
    excerpt_trs
        TRs decoded together.
    """

    def __init__(
        self,
        decoder: nn.Module,
        mean: np.ndarray,
        std: np.ndarray,
        *,
        sample_rate_hz: int,
        excerpt_trs: int,
    ) -> None:
        self.decoder = decoder.eval().requires_grad_(False)
        convolutions: list[Any] = [m for m in self.decoder.modules() if hasattr(m, "_pad1d")]
        for convolution in convolutions:
            convolution._pad1d = _padded
        self.mean, self.std = torch.from_numpy(mean), torch.from_numpy(std)  # [D]
        self.distance = SpectralDistance(sample_rate_hz)
        self.excerpt_trs = excerpt_trs

    def to(self, device: torch.device | str) -> Spectrum:
        """Move to a device, in place."""
        self.decoder = self.decoder.to(device)
        self.mean, self.std = self.mean.to(device), self.std.to(device)
        return self

    def decode(self, latents_bLD: Tensor) -> Tensor:
        """[b, L, D] -> sound [b, samples]"""
        raw = latents_bLD.float() * self.std + self.mean
        # cuDNN refuses the gradient of an LSTM that is not being trained.
        with torch.backends.cudnn.flags(enabled=False):
            sound: Tensor = self.decoder(raw.transpose(1, 2))[:, 0]
        return sound

    def sum(
        self, made_BTND: Tensor, true_BTND: Tensor, mask_BTN: Tensor, starts: Tensor | None
    ) -> tuple[Tensor, int]:
        """Summed distance over excerpts, and how many there were.

        Parameters
        ----------
        mask_BTN
            Frames that there are and that count.
        starts : int64 [B], optional
            First TR of one excerpt of each window; by default excerpts at even distances.
        """
        frames = excerpts(mask_BTN, self.excerpt_trs, starts)
        if not frames:
            return made_BTND.new_zeros(()), 0
        total = made_BTND.new_zeros((), dtype=torch.float32)
        # A few at a time, so that a whole split takes no more memory than a batch.
        for part in (frames[at : at + 8] for at in range(0, len(frames), 8)):
            made, true = (
                torch.stack([x[window].flatten(0, 1)[places] for window, places in part])
                for x in (made_BTND, true_BTND)
            )  # [b, L, D]
            with torch.no_grad():
                sound = self.decode(true)
            total = total + self.distance(self.decode(made), sound).sum()
        return total, len(frames)


def _padded(x: Tensor, around: tuple[int, int], mode: str = "zero", value: float = 0.0) -> Tensor:
    """The codec library's padding of a convolution, [b, c, n], with a gradient that is the same.

    On a GPU the gradient of torch's own reflection adds up in whatever order threads come, and
    ``train/deterministic`` refuses it.
    """
    if mode != "reflect":
        return F.pad(x, around, mode, value)
    before, after = around
    # A sound shorter than what is to be reflected gets silence first, as in the library.
    extra = max(0, max(around) + 1 - x.shape[2])
    x = F.pad(x, (0, extra))
    n = x.shape[2]
    parts = [x[..., 1 : before + 1].flip(2), x, x[..., n - after - 1 : n - 1].flip(2)]
    return torch.cat(parts, dim=2)[..., : before + n + after - extra]


def excerpts(
    mask_BTN: Tensor, excerpt_trs: int, starts: Tensor | None = None
) -> list[tuple[int, Tensor]]:
    """Windows and consecutive frames [L] (places in [T N]) of excerpts, all equally long.

    An excerpt is as long as its TRs are with the fewest frames they can have; one in which a
    TR is missing is left out. Without `starts`, one in `SPACING` is taken.
    """
    n_trs, n_frames = mask_BTN.shape[1:]
    excerpt_trs = min(excerpt_trs, n_trs)
    length = excerpt_trs * max(1, n_frames - 1)
    found = []
    for window, mask in enumerate(mask_BTN):
        own = range(0, n_trs - excerpt_trs + 1, SPACING * excerpt_trs)
        for start in own if starts is None else [min(int(starts[window]), n_trs - excerpt_trs)]:
            inside = mask[start : start + excerpt_trs]
            places = inside.flatten().nonzero()[:, 0]
            if bool(inside.any(1).all()) and len(places) >= length:
                found.append((window, places[:length] + start * n_frames))
    return found


def spectrum_of(codec: Any, mean: np.ndarray, std: np.ndarray, excerpt_trs: int) -> Spectrum:
    """The spectral loss through a loaded :class:`giblet.features.codec.Codec`."""
    return Spectrum(
        codec.model.decoder,
        mean,
        std,
        sample_rate_hz=codec.sample_rate_hz,
        excerpt_trs=excerpt_trs,
    )
