"""Between the brain layer and BOLD: the haemodynamic response, forwards and backwards.

``BOLD[t] = sum_l h[l] drive[t - l]`` with ``l >= 0`` only, so no response precedes its
stimulus; and the other way, ``drive[t] ~ sum_l g[l] BOLD[t + l]``: the TRs that follow tell
what the drive was. Suffixes: B windows, T TRs, V voxels, L lags, G groups that share a delay.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from giblet.errors import ModelError
from giblet.hrf import KINDS, hrf_kernel
from giblet.timing import seconds_to_trs

MAX_SHIFT_S = 3.0
SHIFT_STEP_S = 0.25
SHIFTS_S = np.arange(-MAX_SHIFT_S, MAX_SHIFT_S + SHIFT_STEP_S / 2, SHIFT_STEP_S)


def _on_meta() -> bool:
    return torch.empty(0).is_meta


class HrfOperator(nn.Module):
    """Causal haemodynamic response with one delay per group of voxels.

    Parameters
    ----------
    kind
        ``glover``, ``spm``, ``shift`` (a pure delay) or ``none`` (identity).
    tr_s
        Repetition time, seconds.
    duration_s
        Length of the response, seconds.
    n_voxels, n_groups
        Voxels, and groups of voxels that share a delay; which voxel belongs to which
        group is the buffer ``group``, filled by whoever builds the network.
    learn
        Whether the delays are trained. They start at the standard response.

    Raises
    ------
    ModelError
        For an unknown `kind`.
    """

    bank: Tensor
    group: Tensor

    def __init__(
        self, *, kind: str, tr_s: str, duration_s: float, n_voxels: int, n_groups: int, learn: bool
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ModelError(f"model/hrf is {kind!r}: use one of {', '.join(KINDS)}")
        self.kind = kind
        self.n_lags = 1 if kind == "none" else seconds_to_trs(duration_s, tr_s)
        if kind == "none" or _on_meta():
            bank = torch.ones(1 if kind == "none" else len(SHIFTS_S), self.n_lags)
        else:
            rows = [
                hrf_kernel(kind, tr_s, shift_s=shift, duration_s=duration_s) for shift in SHIFTS_S
            ]
            bank = torch.tensor(np.stack(rows), dtype=torch.float32)
        self.register_buffer("bank", bank)  # [shifts, L]
        self.register_buffer("group", torch.zeros(n_voxels, dtype=torch.long))  # [V]
        self.delay_s = nn.Parameter(
            torch.zeros(n_groups), requires_grad=learn and kind != "none"
        )  # [G]

    def kernels(self) -> Tensor:
        """Response of each group, [G, L]: between the two nearest of the bank's delays."""
        if self.kind == "none":
            return self.bank.expand(len(self.delay_s), -1)
        place = (self.delay_s.clamp(-MAX_SHIFT_S, MAX_SHIFT_S) + MAX_SHIFT_S) / SHIFT_STEP_S
        low = place.detach().floor().clamp(max=len(self.bank) - 2).long()
        part = (place - low)[:, None]
        return (1 - part) * self.bank[low] + part * self.bank[low + 1]

    def forward(self, drive_BTV: Tensor, n_out: int | None = None) -> Tensor:
        """BOLD of the last `n_out` TRs (default: all), starting from rest.

        Parameters
        ----------
        drive_BTV : [B, T, V]

        Returns
        -------
        [B, n_out, V]
        """
        n_trs = drive_BTV.shape[1]
        n_out = n_trs if n_out is None else n_out
        kernel_LV = self.kernels()[self.group].T  # [V, L] -> [L, V]
        missing = max(0, self.n_lags - 1 - (n_trs - n_out))
        padded = nn.functional.pad(drive_BTV, (0, 0, missing, 0))  # [B, missing + T, V]
        first = missing + n_trs - n_out
        out = kernel_LV[0] * padded[:, first:]
        for lag in range(1, self.n_lags):
            out = out + kernel_LV[lag] * padded[:, first - lag : first - lag + n_out]
        return out


class Delag(nn.Module):
    """Drive from measured BOLD, by a learnt filter over the TRs that follow.

    Parameters
    ----------
    n_follow
        How many TRs after a TR the filter reads; its own TR is read as well.
    n_groups, n_voxels
        As in :class:`HrfOperator`; the groups are shared with it.
    """

    group: Tensor

    def __init__(self, *, n_follow: int, n_voxels: int, n_groups: int) -> None:
        super().__init__()
        self.n_follow = n_follow
        self.filter = nn.Parameter(torch.zeros(n_groups, n_follow + 1))  # [G, L]
        self.register_buffer("group", torch.zeros(n_voxels, dtype=torch.long))  # [V]
        with torch.no_grad():
            self.filter[:, -1 if n_follow < 3 else 3] = 1.0

    def forward(self, bold_BTV: Tensor, n_out: int | None = None) -> Tensor:
        """Drive of the first `n_out` TRs (default: all); BOLD after the end counts as 0.

        Parameters
        ----------
        bold_BTV : [B, T, V]

        Returns
        -------
        [B, n_out, V]
        """
        n_trs = bold_BTV.shape[1]
        n_out = n_trs if n_out is None else n_out
        missing = max(0, n_out + self.n_follow - n_trs)
        padded = nn.functional.pad(bold_BTV, (0, 0, 0, missing))  # [B, T + missing, V]
        filter_LV = self.filter[self.group].T  # [V, L] -> [L, V]
        out = filter_LV[0] * padded[:, :n_out]
        for lag in range(1, self.n_follow + 1):
            out = out + filter_LV[lag] * padded[:, lag : lag + n_out]
        return out


def wiener_filters(
    kernels: NDArray[np.floating],
    noise: NDArray[np.floating],
    n_follow: int,
    *,
    persistence: float = 0.7,
) -> NDArray[np.float64]:
    """Best linear estimate of the drive from the BOLD of the TRs that follow.

    The drive is taken as a first-order autoregressive process of unit variance, the noise
    as white.

    Parameters
    ----------
    kernels : array of shape (n_groups, n_lags)
        Responses, as :meth:`HrfOperator.kernels` gives them.
    noise : array of shape (n_groups,)
        Variance of the noise over that of the noiseless BOLD.
    n_follow
        TRs after the present one that may be used.
    persistence
        Correlation of the drive from TR to TR.

    Returns
    -------
    array of shape (n_groups, n_follow + 1)
    """
    n_lags = kernels.shape[1]
    # Drive at times -(n_lags - 1) .. n_follow, of which the BOLD at each lag is a mixture.
    times = np.arange(-(n_lags - 1), n_follow + 1)
    drive_cov = persistence ** np.abs(times[:, None] - times[None, :])
    out = np.zeros((len(kernels), n_follow + 1))
    for row, kernel in enumerate(kernels):
        mix = np.zeros((n_follow + 1, len(times)))
        for lag in range(n_follow + 1):
            mix[lag, lag : lag + n_lags] = kernel[::-1]
        cov = mix @ drive_cov @ mix.T
        cov += noise[row] * cov[-1, -1] * np.eye(n_follow + 1)
        out[row] = np.linalg.solve(cov, mix @ drive_cov[:, times == 0])[:, 0]
    return out
