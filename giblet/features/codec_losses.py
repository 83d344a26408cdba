"""What a codec is trained on: spectra at several resolutions, with and without their phase.

All terms are relative to the sound in each band, since the ear hears noise in a band against
what else is in that band: errors count as much in a quiet band as in a loud one.

- log-mel: the level of each band and frame, as in EnCodec (Defossez et al. 2022);
- magnitude: the error of the magnitudes, relative to the band's mean over the example;
- waveform: the error of the complex spectrum, likewise (a noise-to-mask ratio with the band's
  own level as its mask; after Brandenburg 1987). It is what keeps the phase;
- envelope: how little the ups and downs of each third of an octave follow the original's over
  0.38 s, which is what speech is understood by. Taal et al. 2011 measure intelligibility so
  (STOI), so that measure flatters a codec trained on it: look at the others too.

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
ENVELOPE_WEIGHT = 2.0
# Windows of the envelopes, their hop, and how many make a stretch that is correlated.
ENVELOPE_WINDOW_S = 0.0256
ENVELOPE_FRAMES = 30
# Centre of the lowest third-octave band, Hz.
LOWEST_HZ = 150.0
# Windows this far under an example's loudest do not count.
ENVELOPE_RANGE = 1e-2
# Sum of squares of a stretch's bands that counts as silence.
ENVELOPE_SILENCE = 1e-6
# Below this magnitude differences are not heard, so they cost nothing.
FLOOR = 1e-4
QUIETEST = 2e-5


def third_octaves(sample_rate_hz: int, n_fft: int) -> Tensor:
    """Which bins belong to each third of an octave from 150 Hz up, shape (bands, bins), 0 or 1."""
    bins_hz = torch.arange(n_fft // 2 + 1) * sample_rate_hz / n_fft
    edges = []
    centre = LOWEST_HZ
    while centre * 2 ** (1 / 6) <= sample_rate_hz / 2:
        edges.append((centre * 2 ** (-1 / 6), centre * 2 ** (1 / 6)))
        centre *= 2 ** (1 / 3)
    return torch.stack([((bins_hz >= low) & (bins_hz < high)).float() for low, high in edges])


class ReconstructionLoss(nn.Module):
    """Weighted sum of the four terms over all windows."""

    envelope_hann: Tensor
    thirds: Tensor

    def __init__(self, sample_rate_hz: int) -> None:
        super().__init__()
        for window, n_mels in zip(WINDOWS, MELS, strict=True):
            self.register_buffer(f"window_{window}", torch.hann_window(window))
            filters = mel_filters(n_mels, window, sample_rate_hz)
            mel = torch.from_numpy(filters / filters.sum(0)).float()  # (K, M)
            self.register_buffer(f"mel_{window}", mel)
        self.envelope_window = 2 * round(ENVELOPE_WINDOW_S * sample_rate_hz / 2)
        self.register_buffer("envelope_hann", torch.hann_window(self.envelope_window))
        self.envelope_fft = 1 << (self.envelope_window - 1).bit_length()
        self.register_buffer("thirds", third_octaves(sample_rate_hz, self.envelope_fft))

    def forward(self, made: Tensor, wanted: Tensor) -> Tensor:
        """Distance of two batches of shape (B, T); 0 for equal ones."""
        return self.weigh(self.terms(made, wanted))

    def weigh(self, terms: dict[str, Tensor]) -> Tensor:
        """Sum of :meth:`terms` by their weights."""
        return (
            LOG_MEL_WEIGHT * terms["log_mel"]
            + MAGNITUDE_WEIGHT * terms["magnitude"]
            + WAVEFORM_WEIGHT * terms["waveform"]
            + ENVELOPE_WEIGHT * terms["envelope"]
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
            "envelope": self._envelope_distance(made, wanted),
        }

    def _envelope_distance(self, made: Tensor, wanted: Tensor) -> Tensor:
        """1 - correlation of the bands' envelopes, mean over stretches where there is sound."""
        a, b = (self._stretches(x) for x in (made, wanted))  # (B, O, S, L)
        level = b.square().sum((1, 3))  # (B, S)
        loud = level > ENVELOPE_RANGE**2 * level.amax(1, keepdim=True)
        loud = loud & (level > ENVELOPE_SILENCE)
        distance = (_to_unit(a) - _to_unit(b)).square().sum(-1) / 2  # (B, O, S)
        heard = loud[:, None].expand_as(distance)
        return (distance * heard).sum() / heard.sum().clamp(min=1)

    def _stretches(self, samples: Tensor) -> Tensor:
        """Magnitudes of the third-octave bands, cut into overlapping stretches (B, O, S, L)."""
        window = self.envelope_window
        spectrum = torch.stft(
            samples,
            self.envelope_fft,
            window // 2,
            window,
            self.envelope_hann,
            return_complex=True,
        )
        power = torch.view_as_real(spectrum / self.envelope_hann.sum()).square().sum(-1)
        bands = (self.thirds @ power + 1e-9).sqrt()  # (B, O, F)
        return bands.unfold(-1, min(ENVELOPE_FRAMES, bands.shape[-1]), 5)

    def _spectrum(self, samples: Tensor, window: int) -> Tensor:
        hann = getattr(self, f"window_{window}")
        spectrum = torch.stft(samples, window, window // 4, window=hann, return_complex=True)
        # The window's gain is divided out, so that one floor fits all windows.
        return torch.view_as_real(spectrum).transpose(1, 2) / hann.sum()


def _magnitude(spectrum: Tensor) -> Tensor:
    # The constant keeps the gradient at zero finite; its root is taken off again.
    return (spectrum.square().sum(-1) + 1e-9).sqrt() - 1e-9**0.5


def _to_unit(stretches: Tensor) -> Tensor:
    """Stretches (..., L) without their mean, of unit norm; nothing stays nothing."""
    centred = stretches - stretches.mean(-1, keepdim=True)
    return centred / (centred.square().sum(-1, keepdim=True) + 1e-3 * ENVELOPE_SILENCE).sqrt()
