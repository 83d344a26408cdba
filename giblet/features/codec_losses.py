"""What a codec is trained on: spectra at several resolutions, and the waveform.

Without an adversary, as in the reconstruction part of EnCodec (Défossez et al. 2022).

Legend: B examples, T samples.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from giblet.features.mel import mel_filters

WINDOWS = (128, 256, 512, 1024, 2048)
MELS = (10, 20, 40, 64, 80)
WAVEFORM_WEIGHT = 0.2
# Below this mel magnitude differences are not heard, so they cost nothing.
FLOOR = 1e-3


class ReconstructionLoss(nn.Module):
    """Log-mel and magnitude distances over five windows, plus the waveform's."""

    def __init__(self, sample_rate_hz: int) -> None:
        super().__init__()
        for window, n_mels in zip(WINDOWS, MELS, strict=True):
            self.register_buffer(f"window_{window}", torch.hann_window(window))
            filters = mel_filters(n_mels, window, sample_rate_hz)
            mel = torch.from_numpy(filters / filters.sum(0)).float()  # (bins, mels)
            self.register_buffer(f"mel_{window}", mel)

    def forward(self, made: Tensor, wanted: Tensor) -> Tensor:
        """Distance of two batches of shape (B, T); 0 for equal ones."""
        total = WAVEFORM_WEIGHT * (made - wanted).abs().mean() / wanted.abs().mean().clamp(min=1e-4)
        for window in WINDOWS:
            made_spectrum = self._magnitude(made, window)
            wanted_spectrum = self._magnitude(wanted, window)
            total = total + self._distance(made_spectrum, wanted_spectrum, window) / len(WINDOWS)
        return total

    def _magnitude(self, samples: Tensor, window: int) -> Tensor:
        hann = getattr(self, f"window_{window}")
        spectrum = torch.stft(samples, window, window // 4, window=hann, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        # The window's gain is divided out, so that one floor fits all windows.
        return (power + 1e-9).sqrt().transpose(1, 2) / hann.sum()  # (B, frames, bins)

    def _distance(self, made: Tensor, wanted: Tensor, window: int) -> Tensor:
        mel = getattr(self, f"mel_{window}")
        log_made = (made @ mel + FLOOR / 10).log()
        log_wanted = (wanted @ mel + FLOOR / 10).log()
        relative = (made - wanted).abs().mean() / wanted.mean().clamp(min=1e-5)
        return (log_made - log_wanted).abs().mean() + 0.5 * relative
