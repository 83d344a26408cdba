"""The slow part of a run, which cleaning takes out of measured BOLD.

What is held against measured BOLD has to lose it too, as a general linear model's design is
filtered like its data: a prediction that follows the film's slow changes, for example how loud
its second half is, would be held against recordings from which exactly those were taken out
(Lindquist et al. 2019, Hum. Brain Mapp. 40:2358, on filtering one side alone).

A finished prediction loses it over the whole run. What a model is *fitted* on must not know of
other TRs: there the slow part is what the fitted TRs tell of it by least squares, as if the slow
columns were nuisance regressors of the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.errors import BrainError

# A slow column of which the told TRs hold less than this (of a norm of 1) is not told by them.
LEAST_TOLD = 0.1
# A column with so small a part of its own repeats the others.
REPEATS = 1e-7
# What is left of a column at this share of its size is rounding (float32).
ROUNDING = 1e-6

Basis = NDArray[np.float64]


@dataclass(frozen=True)
class Drift:
    """What the brain stage takes out of each run besides the confounds.

    Attributes
    ----------
    high_pass_hz : cut-off of the cosine high-pass; 0 for none
    detrend : whether mean and linear trend are removed
    """

    high_pass_hz: float
    detrend: bool

    @classmethod
    def of(cls, study: h5py.File) -> Drift:
        """What was taken out of the scans of a study, as ``align/study.h5`` says."""
        for name in ("high_pass_hz", "detrend"):
            if name not in study.attrs:
                raise BrainError(
                    f"{study.filename}: does not say the {name} of its scans: delete it and run "
                    "snakemake again"
                )
        return cls(float(study.attrs["high_pass_hz"]), bool(study.attrs["detrend"]))

    def basis(self, n_trs: int, tr_s: float) -> Basis:
        """Orthonormal columns that span the slow part of a run, (n_trs, k); k may be 0."""
        return _slow(n_trs, tr_s, self.high_pass_hz, self.detrend)

    def out_of(self, values: NDArray[np.float32], tr_s: float) -> NDArray[np.float32]:
        """Columns over the TRs of one run without their slow part.

        Parameters
        ----------
        values : array of shape (n_trs, P)

        Returns
        -------
        array of shape (n_trs, P), float32; 0 where nothing but rounding is left of a column
        """
        return self.out_of_told(values, tr_s, np.ones(len(values), bool))

    def out_of_told(
        self, values: NDArray[np.float32], tr_s: float, told: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Columns without the slow part that some of the TRs tell.

        The slow part is continued to the other TRs; what it is there is worth nothing, but for
        that filtering over the whole run takes it out again.

        Parameters
        ----------
        values : array of shape (n_trs, P)
        told : array of shape (n_trs,)

        Returns
        -------
        array of shape (n_trs, P), float32; 0 where nothing but rounding is left of a column in
        the told TRs
        """
        basis = self.basis(len(values), tr_s)
        if not basis.shape[1] or not told.any():
            return values
        exact = values.astype(np.float64)
        left = exact - basis @ (reader(basis, told) @ exact)
        left[:, np.abs(left[told]).max(0) <= ROUNDING * np.abs(exact[told]).max(0)] = 0
        return left.astype(np.float32)


def reader(basis: Basis, told: NDArray[np.bool_]) -> Basis:
    """Reads the coefficients of a basis (n_trs, k) off some TRs by least squares.

    Returns
    -------
    array of shape (k, n_trs), 0 in the other TRs
    """
    out = np.zeros(basis.T.shape)
    if told.any():
        out[:, told] = np.linalg.pinv(basis[told], rcond=LEAST_TOLD)
    return out


def cosines(n_volumes: int, tr_s: float, high_pass_hz: float) -> NDArray[np.float64]:
    """The discrete cosines below a cut-off, (n_volumes, k): nilearn's, which are SPM's."""
    from nilearn.signal import create_cosine_drift

    if high_pass_hz <= 0 or n_volumes <= 1:
        return np.empty((n_volumes, 0))
    found = create_cosine_drift(high_pass_hz, np.arange(n_volumes) * tr_s)[:, :-1]
    return np.asarray(found, np.float64)


def orthonormal(
    design: NDArray[np.float64], detrend: bool, times: NDArray[np.float64] | None = None
) -> Basis:
    """Orthonormal basis of the columns less their mean (and trend).

    Parameters
    ----------
    times : of the rows, in TRs; 0, 1, 2, ... if they are not given
    """
    fixed = constant(np.arange(float(len(design))) if times is None else times, detrend)
    size = np.linalg.norm(design, axis=0)
    design = design - fixed @ (fixed.T @ design)
    left = np.linalg.norm(design, axis=0)
    varies = left > REPEATS * size
    if not varies.any():
        return np.empty((len(design), 0))
    u, s, _ = np.linalg.svd(design[:, varies] / left[varies], full_matrices=False)
    return np.asarray(u[:, s > REPEATS * s[0]])


def constant(times: NDArray[np.float64], detrend: bool) -> Basis:
    """Orthonormal mean (and linear trend) over rows at some times."""
    n_columns = min(2 if detrend else 1, max(1, len(times)))
    q, _ = np.linalg.qr(np.vander(times / max(len(times), 1), n_columns))
    return q


@lru_cache(maxsize=32)
def _slow(n_trs: int, tr_s: float, high_pass_hz: float, detrend: bool) -> Basis:
    slow = orthonormal(cosines(n_trs, tr_s, high_pass_hz), detrend)
    if not detrend:
        return slow
    return np.hstack([constant(np.arange(float(n_trs)), detrend), slow])
