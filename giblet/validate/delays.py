"""How late the network's response to the stimulus is, voxel by voxel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.train.baseline_delay import standard_peak_s
from giblet.train.build import load_network


def voxel_delays(model_dir: str | Path) -> NDArray[np.float32]:
    """Time to peak of the response between layer 5 and BOLD, as the network learnt it.

    Parameters
    ----------
    model_dir
        Folder of ``model.safetensors`` and ``model.json``.

    Returns
    -------
    array of shape (n_voxels,), float32, seconds: the standard response's time to peak plus the
    delay of the voxel's group; NaN without a response (``model/hrf: none``)
    """
    hrf = load_network(model_dir).hrf
    return (standard_peak_s() + hrf.delays()[hrf.group].numpy()).astype(np.float32)
