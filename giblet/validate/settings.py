"""Settings shared by the scores of all modalities."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Settings of the statistics, see config/schemas/validate.schema.yaml."""

    seed: int
    n_permutations: int
    n_bootstrap: int
    block_trs: int
    min_shift_s: float
    min_distance_s: float
    fdr_q: float = 0.05
    min_ceiling: float = 0.1
