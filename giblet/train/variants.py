"""What the ablations compare, as settings of the config blocks ``train`` and ``model``.

Every variant of an ablation states all settings that the ablation is about; all others are the
study's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Settings = dict[str, Any]

# The heads of sound: both, nothing added; each variant states what it changes.
PLAIN: Settings = {
    "latents_weight": 1.0,
    "latents_whitening": "each",
    "codes_weight": 1.0,
    "code_decay": 1.0,
    "code_temperature": 0.0,
    "spectrum_weight": 0.0,
}
AUDIO: dict[str, Settings] = {
    "both-spectrum": PLAIN | {"spectrum_weight": 1.0},
    "latents": PLAIN | {"codes_weight": 0.0},
    "codes": PLAIN | {"latents_weight": 0.0},
    "both": PLAIN,
    "both-white": PLAIN | {"latents_whitening": "full"},
    "both-soft": PLAIN | {"code_temperature": 0.3},
    "both-coarse": PLAIN | {"code_decay": 0.7},
    "spectrum": PLAIN | {"latents_weight": 0.0, "codes_weight": 0.0, "spectrum_weight": 1.0},
}


def _time(within_tr: str, across_trs: str, kernel_trs: int) -> Settings:
    return {
        "within_tr": within_tr, "across_trs": across_trs, "context_kernel_trs": kernel_trs
    }  # fmt: skip


TEMPORAL: dict[str, Settings] = {
    "multiscale-conv3": _time("multiscale", "conv", 3),
    "none-conv3": _time("none", "conv", 3),
    "hierarchical-conv3": _time("hierarchical", "conv", 3),
    "s3d-conv3": _time("s3d", "conv", 3),
    "multiscale-none": _time("multiscale", "none", 1),
    "multiscale-conv9": _time("multiscale", "conv", 9),
    "multiscale-attention9": _time("multiscale", "attention", 9),
    "none-none": _time("none", "none", 1),
}
HRF: dict[str, Settings] = {
    "glover": {"hrf": "glover", "hrf_delays": "voxel"},
    "glover-fixed": {"hrf": "glover", "hrf_delays": "fixed"},
    "spm": {"hrf": "spm", "hrf_delays": "voxel"},
    "shift": {"hrf": "shift", "hrf_delays": "voxel"},
    "learned": {"hrf": "learned", "hrf_delays": "voxel"},
    "fir": {"hrf": "fir", "hrf_delays": "voxel"},
    "fir-study": {"hrf": "fir", "hrf_delays": "study"},
    "none": {"hrf": "none", "hrf_delays": "fixed"},
}
MODALITY_DROPOUT: dict[str, Settings] = {
    f"drop-{percent:02d}": {"modality_dropout": percent / 100} for percent in (30, 0, 10, 50)
}
# The first variant of each is what the others are held against.
ABLATIONS: dict[str, dict[str, Settings]] = {
    "audio": AUDIO,
    "temporal": TEMPORAL,
    "hrf": HRF,
    "modality_dropout": MODALITY_DROPOUT,
}


def plans(
    settings: Mapping[str, Any], n_seeds: int
) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    """All settings of every training: by ablation, variant, and number of the seed ("1", ...).

    Parameters
    ----------
    settings
        Those of the study, with ``seed``; the n-th network of a variant has the seed n - 1
        higher.
    n_seeds
        Networks of each variant.
    """
    return {
        ablation: {
            variant: {
                str(number + 1): {**settings, **changed, "seed": int(settings["seed"]) + number}
                for number in range(n_seeds)
            }
            for variant, changed in variants.items()
        }
        for ablation, variants in ABLATIONS.items()
    }
