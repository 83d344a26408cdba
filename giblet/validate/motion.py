"""Whether the decoded film moves when and where the true one does.

*Motion energy* of a TR is the root mean square of the change of the luma from frame to frame, in
the cells of a coarse grid: a film's own energy at zero velocity tuning, without the direction
that motion-energy filters have (Adelson & Bergen 1985, J. Opt. Soc. Am. A 2:284; for films and
fMRI Nishimoto et al. 2011, Curr. Biol. 21:1641). It is blind to what moves and to which way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from giblet.validate.picture_scores import LUMA, area_mean
from giblet.validate.statistics import slices
from giblet.validate.testset import TestSet

FRAMES_AT_ONCE = 256


def motion_energy(frames: NDArray[np.uint8], grid: tuple[int, int]) -> NDArray[np.float64]:
    """Motion energy of the TRs of one segment, the first of which has none before it.

    Parameters
    ----------
    frames : array of shape (n, F, H, W, 3), consecutive TRs
    grid : cells down and across

    Returns
    -------
    array of shape (n - 1, cells), grey levels from 0 to 255
    """
    n, per_tr = frames.shape[:2]
    flat = frames.reshape(n * per_tr, *frames.shape[2:])
    cells = []
    for start in range(per_tr, len(flat), FRAMES_AT_ONCE):
        luma = flat[start - 1 : start + FRAMES_AT_ONCE] @ LUMA  # [f + 1, H, W]
        squared = np.diff(luma, axis=0)[..., None] ** 2
        cells.append(area_mean(squared, *grid)[..., 0])
    found = np.concatenate(cells) if cells else np.zeros((0, *grid))
    found = found.reshape(max(n - 1, 0), per_tr, -1).mean(1)
    return np.sqrt(np.asarray(found, np.float64))


def motion_series(
    frames: NDArray[np.uint8], tests: TestSet, grid: tuple[int, int]
) -> NDArray[np.float64]:
    """Motion energy of every test TR; NaN for the first of each segment.

    Parameters
    ----------
    frames : array of shape (n, F, H, W, 3), the test TRs of `tests`

    Returns
    -------
    array of shape (n, cells), grey levels from 0 to 255
    """
    out = np.full((len(frames), grid[0] * grid[1]), np.nan)
    for part in slices(tests.lengths):
        out[part.start + 1 : part.stop] = motion_energy(frames[part], grid)
    return out
