"""What the JSON file beside a scan (BIDS) says of it, where it can be compared with the scan."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

# Keys under which converters note the number of volumes.
COUNTS = ("NumberOfVolumes", "NumVolumes", "NumberOfTemporalPositions")
IRREGULAR = 0.01
IMAGE_SUFFIX = re.compile(r"\.(nii|img|hdr|mgz|mgh)(\.(gz|bz2|zst))?$", re.IGNORECASE)


@dataclass(frozen=True)
class SideCar:
    """What a side-car says.

    Attributes
    ----------
    file : its path
    tr_s : ``RepetitionTime`` (or the step of ``VolumeTiming``), in seconds; None without one
    irregular : whether ``VolumeTiming`` has other steps than one
    n_volumes : number of volumes, None if it says none
    """

    file: str
    tr_s: float | None
    irregular: bool
    n_volumes: int | None


def sidecar_of(scan: str) -> SideCar | None:
    """Read the side-car of a scan; None without one that can be read, which nobody needs."""
    path = Path(IMAGE_SUFFIX.sub("", scan) + ".json")
    if str(path) == scan or not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    tr_s = _number(content.get("RepetitionTime"))
    times = content.get("VolumeTiming")
    irregular = False
    if isinstance(times, list) and len(times) > 1 and all(_number(t) is not None for t in times):
        steps = [float(b) - float(a) for a, b in pairwise(times)]
        irregular = max(steps) - min(steps) > IRREGULAR * abs(max(steps))
        tr_s = tr_s if irregular else _number(sum(steps) / len(steps))
    if tr_s is not None and tr_s <= 0:
        tr_s = None
    if tr_s is not None and tr_s >= 100:
        tr_s /= 1000
    return SideCar(str(path), tr_s, irregular, _count(content))


def _count(content: dict[str, Any]) -> int | None:
    for key in COUNTS:
        found = _number(content.get(key))
        if found is not None and found >= 1 and found == int(found):
            return int(found)
    shape = content.get("dcmmeta_shape")
    if isinstance(shape, list) and len(shape) == 4 and _number(shape[3]) is not None:
        return int(shape[3])
    return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
