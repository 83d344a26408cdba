"""An ablation as one long table, and one page to read.

A variant's score is the mean over its seeds; its interval is over blocks of TRs, its spread over
seeds stands beside it. Differences are to the first variant on the same seeds and blocks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet.resampling import percentile_interval
from giblet.results import without_formulas
from giblet.store import reading, replacing
from giblet.validate.ablation_names import SHOWN, SPLITS
from giblet.validate.ablation_page import difference_cell, markdown, spread, value_cell

COLUMNS = [
    "variant", "split", "metric", "source", "value", "ci_low", "ci_high", "seed_sd",
    "difference", "difference_low", "difference_high", "n_seeds",
]  # fmt: skip
OF_NETWORK = ("parameters", "trs_per_s", "delay_abs_error_s")
# What the choice goes by: with modalities dropped in training it must hold without them too.
CHOSEN_BY = {"modality_dropout": SHOWN}
LOSSES = ("video", "audio", "text")
Key = tuple[str, str, str]  # split, metric, source


@dataclass
class Variant:
    """All networks of a variant.

    Attributes
    ----------
    name : of the variant
    of_network : what :data:`OF_NETWORK` names -> value of each seed
    values : key -> value of each seed
    draws : key -> [n_seeds, n_draws]
    """

    name: str
    of_network: dict[str, list[float]]
    values: dict[Key, NDArray[np.float64]]
    draws: dict[Key, NDArray[np.float64]]


def compare_networks(
    scores: Sequence[str | Path], *, ablation: str, table: str | Path, page: str | Path
) -> None:
    """Write ``ablation.csv`` (long) and ``ablation.md`` (to read, with the choice).

    Parameters
    ----------
    scores
        Files of :func:`giblet.validate.ablation_fit.score_network`, each in
        ``{variant}/seed-{number}/``; the first variant is what the others are held against.
    ablation
        Name of the ablation.
    """
    by_name: dict[str, list[Path]] = {}
    for path in map(Path, scores):
        by_name.setdefault(path.parent.parent.name, []).append(path)
    variants = [_read(name, paths) for name, paths in by_name.items()]
    rows = [row for one in variants for row in _rows(one, variants[0])]
    found = pd.DataFrame(rows, columns=COLUMNS)
    with replacing(table) as partial:
        without_formulas(found).to_csv(partial, index=False, float_format="%.6g")
    with replacing(page) as partial:
        partial.write_text(as_page(found, ablation), encoding="utf-8")


def _read(name: str, paths: Sequence[Path]) -> Variant:
    of_network: dict[str, list[float]] = {what: [] for what in OF_NETWORK}
    values: dict[Key, list[float]] = {}
    draws: dict[Key, list[NDArray[np.float64]]] = {}
    for path in paths:
        with reading(path, stage="validate") as file:
            for what in OF_NETWORK:
                of_network[what].append(float(file.attrs.get(what, np.nan)))
            for split, metric, source in json.loads(file.attrs["scores"]):
                key = (split, metric, source)
                group = file[f"{split}/{metric}/{source}"]
                values.setdefault(key, []).append(float(group["value"][()]))
                draws.setdefault(key, []).append(group["draws"][:].astype(float))
    return Variant(
        name,
        of_network,
        {key: np.array(found) for key, found in values.items()},
        {key: np.stack(found) for key, found in draws.items()},
    )


def _rows(one: Variant, first: Variant) -> Iterator[dict[str, Any]]:
    for what, listed in one.of_network.items():
        of_seeds = np.array(listed)
        if np.isfinite(of_seeds).any():
            yield {
                "variant": one.name,
                "metric": what,
                "value": float(np.nanmean(of_seeds)),
                "seed_sd": spread(of_seeds),
                "n_seeds": len(of_seeds),
            }
    for key, per_seed in one.values.items():
        low, high = percentile_interval(one.draws[key].mean(0))
        row = dict(zip(("split", "metric", "source"), key, strict=True)) | {
            "variant": one.name,
            "value": float(per_seed.mean()),
            "ci_low": low,
            "ci_high": high,
            "seed_sd": spread(per_seed),
            "n_seeds": len(per_seed),
        }
        if one is not first and key in first.values:
            row["difference"] = float((per_seed - first.values[key]).mean())
            low, high = percentile_interval((one.draws[key] - first.draws[key]).mean(0))
            row |= {"difference_low": low, "difference_high": high}
        yield row


def choice(found: pd.DataFrame, ablation: str) -> tuple[str, float]:
    """Variant with the largest validation encoding r, and that r."""
    rows = found[
        (found["split"] == "val")
        & (found["metric"] == "encoding_r")
        & found["source"].isin(list(CHOSEN_BY.get(ablation, ("all",))))
    ]
    means = rows.groupby("variant", sort=False)["value"].mean()
    return str(means.idxmax()), float(means.max())


def as_page(found: pd.DataFrame, ablation: str) -> str:
    """The tables to read, in Markdown."""
    names = list(dict.fromkeys(found["variant"]))
    best, r = choice(found, ablation)
    by = CHOSEN_BY.get(ablation, ("all",))
    what = "encoding r" if len(by) == 1 else "mean of the encoding r with all and with each alone"
    n_seeds = int(found["n_seeds"].max())
    trained = (
        "one network of each variant, all with the same seed"
        if n_seeds == 1
        else f"{n_seeds} networks of each variant with different seeds"
    )
    lines = [
        f"Made by `snakemake ablation_{ablation}`; {trained}. r: median over voxels with a "
        "ceiling, mean over subjects and seeds, with its 95 % interval over blocks of TRs and, "
        "after ±, its standard deviation over seeds; Δ: difference to "
        f"`{names[0]}` on the same seeds and blocks. Losses from measured BOLD, as fractions of "
        "the constant predictor's (1: nothing learnt).",
        "",
        f"**Chosen on the validation TRs: `{best}`** (largest {what}: {r:.3f})."
        + _told_apart(found, best, names[0]),
    ]
    for split, title in zip(SPLITS, ("Validation", "Test"), strict=True):
        here = found[found["split"].isna() | (found["split"] == split)]
        lines += ["", f"{title} TRs:", "", *_overview(here, names)]
        lines += ["", f"{title} TRs, r with one modality alone:", "", *_alone(here, names)]
    return "\n".join(lines) + "\n"


def _told_apart(found: pd.DataFrame, best: str, first: str) -> str:
    """Whether the choice differs from the first variant by more than its interval."""
    if best == first:
        return ""
    row = _cell(found[found["split"] == "val"], best, "encoding_r", "all")
    if row is None or np.isnan(row["difference_low"]):
        return ""
    apart = row["difference_low"] > 0 or row["difference_high"] < 0
    return (
        f" Its difference to `{first}` there is {difference_cell(row)}: "
        f"{'more than' if apart else 'no more than'} the blocks can tell apart."
    )


def _overview(here: pd.DataFrame, names: Sequence[str]) -> list[str]:
    delay = bool((here["metric"] == "delay_abs_error_s").any())
    head = ["variant", "parameters", "TRs/s", "r", "Δ r", *LOSSES, *["delay error, s"] * delay]
    body = []
    for name in names:
        r = _cell(here, name, "encoding_r", "all")
        parts = [_cell(here, name, f"{loss}_loss", "from_bold") for loss in LOSSES]
        size, speed, late = (_cell(here, name, what, None) for what in OF_NETWORK)
        body.append(
            [
                f"`{name}`",
                "–" if size is None else f"{size['value'] / 1e6:.2f} M",
                "–" if speed is None else f"{speed['value']:.0f}",
                value_cell(r),
                "" if r is None or np.isnan(r["difference"]) else difference_cell(r),
                *("–" if part is None else f"{part['value']:.3f}" for part in parts),
                *(["–" if late is None else f"{late['value']:.2f}"] if delay else []),
            ]
        )
    return markdown(head, body)


def _alone(here: pd.DataFrame, names: Sequence[str]) -> list[str]:
    alone = SHOWN[1:]
    body = [
        [f"`{name}`", *(value_cell(_cell(here, name, "encoding_r", shown)) for shown in alone)]
        for name in names
    ]
    return markdown(["variant", *alone], body)


def _cell(here: pd.DataFrame, variant: str, metric: str, source: str | None) -> Any:
    rows = here[(here["variant"] == variant) & (here["metric"] == metric)]
    rows = rows[rows["source"].isna()] if source is None else rows[rows["source"] == source]
    return rows.iloc[0] if len(rows) else None
