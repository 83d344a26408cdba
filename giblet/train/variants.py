"""The heads of sound that the ablation compares, as settings of the config block ``train``."""

from __future__ import annotations

from typing import Any

# Both heads, nothing added; each variant states what it changes.
PLAIN: dict[str, Any] = {
    "latents_weight": 1.0,
    "latents_whitening": "each",
    "codes_weight": 1.0,
    "code_decay": 1.0,
    "code_temperature": 0.0,
    "spectrum_weight": 0.0,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "latents": PLAIN | {"codes_weight": 0.0},
    "codes": PLAIN | {"latents_weight": 0.0},
    "both": PLAIN,
    "both-white": PLAIN | {"latents_whitening": "full"},
    "both-soft": PLAIN | {"code_temperature": 0.3},
    "both-coarse": PLAIN | {"code_decay": 0.7},
    "both-spectrum": PLAIN | {"spectrum_weight": 1.0},
    "spectrum": PLAIN | {"latents_weight": 0.0, "codes_weight": 0.0, "spectrum_weight": 1.0},
}
