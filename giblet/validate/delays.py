"""How late the network's response to the stimulus is, voxel by voxel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.train.baseline_delay import standard_peak_s
from giblet.train.build import load_network


def voxel_delays(model_dirs: str | Path | Sequence[str | Path]) -> NDArray[np.float32]:
    """Time to peak of the response between layer 5 and BOLD, as training found it.

    Parameters
    ----------
    model_dirs
        Folder of ``model.safetensors`` and ``model.json``, or one for each network, whose
        mean it then is.

    Returns
    -------
    array of shape (n_voxels,), float32, seconds: the standard response's time to peak plus the
    delay of the voxel's group; NaN without a response (``model/hrf: none``)
    """
    folders = [model_dirs] if isinstance(model_dirs, str | Path) else model_dirs
    responses = [load_network(folder).hrf for folder in folders]
    delays = np.mean([hrf.delays()[hrf.group].numpy() for hrf in responses], axis=0)
    return (standard_peak_s() + delays).astype(np.float32)
