"""Between the brain layer and BOLD: the haemodynamic response, forwards and backwards.

``BOLD[t] = sum_l h[l] drive[t - l]`` with ``l >= 0`` only, so no response precedes its
stimulus; and the other way, ``drive[t] ~ sum_l g[l] BOLD[t + l]``: the TRs that follow tell
what the drive was. Suffixes: B windows, T TRs, V voxels, L lags, G groups that share a
response, S shifts, K shapes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from giblet.errors import ModelError
from giblet.hrf import KINDS, SHAPES, hrf_kernel, shape_kernels
from giblet.timing import seconds_to_trs

MAX_SHIFT_S = 3.0
SHIFT_STEP_S = 0.25
SHIFTS_S = np.arange(-MAX_SHIFT_S, MAX_SHIFT_S + SHIFT_STEP_S / 2, SHIFT_STEP_S)
# Kinds whose shape is learnt as well as the delay; both start at Glover's response.
LEARNT = ("fir", "learned")


def _on_meta() -> bool:
    return torch.empty(0).is_meta


def _check_kind(kind: str, learn: bool) -> None:
    if kind not in (*KINDS, *LEARNT):
        raise ModelError(f"model/hrf is {kind!r}: use one of {', '.join((*KINDS, *LEARNT))}")
    if kind in LEARNT and not learn:
        raise ModelError(
            f"model/hrf is {kind!r}, but model/hrf_delays is 'fixed', so nothing of it is learnt: "
            "set model/hrf to glover, or model/hrf_delays to study, group or voxel"
        )


def _bank(kind: str, tr_s: str, duration_s: float, n_lags: int) -> Tensor:
    """The standard response at each of `SHIFTS_S`, [S, L]."""
    if kind == "none":
        return torch.ones(1, n_lags)
    if _on_meta():
        return torch.ones(len(SHIFTS_S), n_lags)
    standard = "glover" if kind in LEARNT else kind
    rows = [hrf_kernel(standard, tr_s, shift_s=s, duration_s=duration_s) for s in SHIFTS_S]
    return torch.tensor(np.stack(rows), dtype=torch.float32)


def _shape_bank(tr_s: str, duration_s: float, n_lags: int) -> Tensor:
    """What changes the standard response's shape at each of `SHIFTS_S`, [K, S, L]."""
    if _on_meta():
        return torch.ones(len(SHAPES), len(SHIFTS_S), n_lags)
    rows = [shape_kernels(tr_s, shift_s=s, duration_s=duration_s) for s in SHIFTS_S]
    return torch.tensor(np.stack(rows, axis=1), dtype=torch.float32)


class HrfOperator(nn.Module):
    """Causal haemodynamic response, one per group of voxels.

    ``h = standard(delay) + what is learnt of its shape``, and lags below 0 do not exist, so it
    is causal whatever is learnt.

    Parameters
    ----------
    kind
        ``glover``, ``spm``, ``shift`` (a pure delay) or ``none`` (identity), of which the delay
        is learnt; ``fir``: Glover's response plus a free value at each lag; ``learned``:
        Glover's with a delay and the amounts of its `giblet.hrf.SHAPES`.
    tr_s
        Repetition time, seconds.
    duration_s
        Length of the response, seconds.
    n_voxels, n_groups
        Voxels, and groups of voxels that share a response; which voxel belongs to which
        group is the buffer ``group``, filled by whoever builds the network.
    learn
        Whether the responses are trained. They start at the standard response.

    Raises
    ------
    ModelError
        For an unknown `kind`, and for one that is all learning when nothing may be learnt.
    """

    bank: Tensor
    shapes: Tensor
    group: Tensor

    def __init__(
        self, *, kind: str, tr_s: str, duration_s: float, n_voxels: int, n_groups: int, learn: bool
    ) -> None:
        super().__init__()
        _check_kind(kind, learn)
        self.kind, self.learns = kind, learn and kind != "none"
        self.n_lags = 1 if kind == "none" else seconds_to_trs(duration_s, tr_s)
        self.register_buffer("bank", _bank(kind, tr_s, duration_s, self.n_lags))  # [S, L]
        self.register_buffer("group", torch.zeros(n_voxels, dtype=torch.long))  # [V]
        # Free values describe a delay themselves: theirs stays where training started.
        self.delay_s = nn.Parameter(
            torch.zeros(n_groups), requires_grad=self.learns and kind != "fir"
        )  # [G]
        if kind == "fir":
            self.taps = nn.Parameter(torch.zeros(n_groups, self.n_lags))  # [G, L]
        if kind == "learned":
            self.shape = nn.Parameter(torch.zeros(n_groups, len(SHAPES)))  # [G, K]
            self.register_buffer("shapes", _shape_bank(tr_s, duration_s, self.n_lags))

    def kernels(self) -> Tensor:
        """Response of each group, [G, L]."""
        if self.kind == "none":
            return self.bank.expand(len(self.delay_s), -1)
        standard = self._delayed(self.bank)  # [G, L]
        if self.kind == "fir":
            return standard + self.taps
        if self.kind == "learned":
            added = torch.stack([self._delayed(bank) for bank in self.shapes], dim=1)  # [G, K, L]
            return standard + (self.shape[:, :, None] * added).sum(1)
        return standard

    def _delayed(self, bank_SL: Tensor) -> Tensor:
        """Between the two rows of a bank that are nearest to each group's delay, [G, L]."""
        place = (self.delay_s.clamp(-MAX_SHIFT_S, MAX_SHIFT_S) + MAX_SHIFT_S) / SHIFT_STEP_S
        low = place.detach().floor().clamp(max=len(bank_SL) - 2).long()
        part = (place - low)[:, None]
        return (1 - part) * bank_SL[low] + part * bank_SL[low + 1]

    @torch.no_grad()
    def delays(self) -> Tensor:
        """Delay of each group against the standard response, [G] in seconds.

        Of a learnt shape, that of the delayed standard response it is most like (the largest
        cosine, between the samples by a parabola). NaN without a response.
        """
        if self.kind == "none":
            return torch.full_like(self.delay_s, torch.nan)
        if self.kind not in LEARNT:
            return self.delay_s.detach().clamp(-MAX_SHIFT_S, MAX_SHIFT_S)
        alike = (
            nn.functional.normalize(self.kernels(), dim=1)
            @ nn.functional.normalize(self.bank, dim=1).T
        )  # [G, S]
        best = alike.argmax(1)
        middle = best.clamp(1, alike.shape[1] - 2)
        left, centre, right = (
            alike.gather(1, (middle + step)[:, None])[:, 0] for step in (-1, 0, 1)
        )
        bend = (left - 2 * centre + right).clamp(max=-1e-12)
        offset = (0.5 * (left - right) / bend).clamp(-1, 1)
        return -MAX_SHIFT_S + (middle + offset) * SHIFT_STEP_S

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
