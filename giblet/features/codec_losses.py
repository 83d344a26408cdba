"""What a codec is trained on: spectra at several resolutions, with and without their phase.

All three terms are relative to the sound in each mel band, since the ear hears noise in a band
against what else is in that band: errors count as much in a quiet band as in a loud one.

- log-mel: the level of each band and frame, as in EnCodec (Defossez et al. 2022);
- magnitude: the error of the magnitudes, relative to the band's mean over the example;
- waveform: the error of the complex spectrum, likewise (a noise-to-mask ratio with the band's
  own level as its mask; after Brandenburg 1987). It is what keeps the phase.

There is no adversary.

Legend: B examples, T samples, F frames, K bins, M mel bands.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from giblet.features.mel import mel_filters

WINDOWS = (256, 512, 1024, 2048)
MELS = (20, 40, 64, 80)
# Windows whose phase counts.
PHASED = (256, 512, 1024)
LOG_MEL_WEIGHT = 1.0
MAGNITUDE_WEIGHT = 0.5
WAVEFORM_WEIGHT = 1.0
# Below this magnitude differences are not heard, so they cost nothing.
FLOOR = 1e-4
QUIETEST = 2e-5


class ReconstructionLoss(nn.Module):
    """Weighted sum of the three terms over all windows."""

    def __init__(self, sample_rate_hz: int) -> None:
        super().__init__()
        for window, n_mels in zip(WINDOWS, MELS, strict=True):
            self.register_buffer(f"window_{window}", torch.hann_window(window))
            filters = mel_filters(n_mels, window, sample_rate_hz)
            mel = torch.from_numpy(filters / filters.sum(0)).float()  # (K, M)
            self.register_buffer(f"mel_{window}", mel)

    def forward(self, made: Tensor, wanted: Tensor) -> Tensor:
        """Distance of two batches of shape (B, T); 0 for equal ones."""
        return self.weigh(self.terms(made, wanted))

    def weigh(self, terms: dict[str, Tensor]) -> Tensor:
        """Sum of :meth:`terms` by their weights."""
        return (
            LOG_MEL_WEIGHT * terms["log_mel"]
            + MAGNITUDE_WEIGHT * terms["magnitude"]
            + WAVEFORM_WEIGHT * terms["waveform"]
        )

    def terms(self, made: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        """The terms by name, each a mean over windows, bands and examples."""
        log_mel, magnitude, waveform = [], [], []
        for window in WINDOWS:
            mel = getattr(self, f"mel_{window}")
            a, b = (self._spectrum(x, window) for x in (made, wanted))  # (B, F, K, 2)
            size_a, size_b = _magnitude(a), _magnitude(b)  # (B, F, K)
            bands_a, bands_b = size_a @ mel, size_b @ mel  # (B, F, M)
            log_mel.append(((bands_a + FLOOR).log() - (bands_b + FLOOR).log()).abs().mean())
            level = bands_b.mean(1) + QUIETEST  # (B, M)
            magnitude.append((((size_a - size_b).abs() @ mel).mean(1) / level).mean())
            if window in PHASED:
                waveform.append(((_magnitude(a - b) @ mel).mean(1) / level).mean())
        return {
            "log_mel": torch.stack(log_mel).mean(),
            "magnitude": torch.stack(magnitude).mean(),
            "waveform": torch.stack(waveform).mean(),
        }

    def _spectrum(self, samples: Tensor, window: int) -> Tensor:
        hann = getattr(self, f"window_{window}")
        spectrum = torch.stft(samples, window, window // 4, window=hann, return_complex=True)
        # The window's gain is divided out, so that one floor fits all windows.
        return torch.view_as_real(spectrum).transpose(1, 2) / hann.sum()


def _magnitude(spectrum: Tensor) -> Tensor:
    # The constant keeps the gradient at zero finite; its root is taken off again.
    return (spectrum.square().sum(-1) + 1e-9).sqrt() - 1e-9**0.5
