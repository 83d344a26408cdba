"""Regressors of a study made by `make_study`, through the align stage's own code."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from giblet.align.regressors import write_regressors
from giblet.store import reading, writing
from giblet.timing import as_fraction
from tests.support.study_files import PlantedStudy


def make_regressors(planted: PlantedStudy, folder: Path, **settings: object) -> list[Path]:
    """Write ``{run}_regressors.h5`` of each run and return the paths in order."""
    chosen = {
        "hrf": "glover",
        "delays_trs": [1, 2, 3, 4, 5, 6],
        "grid_height": 4,
        "grid_width": 4,
        **settings,
    }
    paths = []
    with reading(planted.path, stage="align") as study:
        tr_s = as_fraction("/".join(str(int(part)) for part in study.attrs["tr_s"]))
        for run in planted.runs:
            group = study[f"runs/{run}"]
            video = group["video"]
            n_trs, per_tr = video.shape[:2]
            files = {name: folder / f"{run}_{name}.h5" for name in ("frames", "audio", "text")}
            with writing(files["frames"], stage="stimulus", tr_s=tr_s) as file:
                file["frames"] = video[:]
                file["valid"] = np.repeat(group["stim_valid"][:][:, None], per_tr, axis=1)
                time_s = (np.arange(n_trs * per_tr) + 0.5) * float(tr_s) / per_tr
                file["time_s"] = time_s.reshape(n_trs, per_tr)
            with writing(files["audio"], stage="features", tr_s=tr_s) as file:
                file["log_mel"] = group["audio_log_mel"][:]
                file["index"] = group["audio_index"][:]
                for name in ("sample_rate_hz", "hop_length"):
                    file.attrs[name] = study.attrs[name]
            with writing(files["text"], stage="features", tr_s=tr_s) as file:
                file["embedding"] = group["text"][:]
            path = folder / f"{run}_regressors.h5"
            write_regressors(path, run=run, tr_s=tr_s, **files, **chosen)
            paths.append(path)
    return paths
