"""The comparison of the heads of sound: one long table, and one to read.

A variant's score is the mean over its seeds; its interval is over clips, its spread over seeds
stands beside it. Differences are to the first variant on the same seeds and clips. Beside the
variants stand what knows only the training TRs (their mean latent, their commonest codes) and the
ceiling (the original through the codec).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet.features.audio import codec_of
from giblet.resampling import percentile_interval
from giblet.results import read_made_table, without_formulas
from giblet.store import replacing
from giblet.timing import as_fraction
from giblet.train.data import open_study
from giblet.validate.ablation_page import difference_cell, markdown, spread, value_cell
from giblet.validate.ablation_scores import (
    EXPORTS,
    SPLITS,
    TOP,
    Coder,
    HeldOut,
    Row,
    code_rows,
    sound_rows,
)

KEY = ["split", "source", "export", "codebook", "metric"]
COLUMNS = [
    "variant", *KEY, "value", "ci_low", "ci_high", "seed_sd", "difference", "difference_low",
    "difference_high", "n_seeds",
]  # fmt: skip
NOTHING: dict[str, Any] = {"export": "", "codebook": 0}
Drawn: TypeAlias = NDArray[np.floating[Any]]
Key: TypeAlias = tuple[Any, ...]  # the variant, and a value of each of KEY
SOURCES = {"from_bold": "from measured BOLD", "model": "from the stimulus, through the brain layer"}


def compare_variants(
    study: str | Path,
    audio: Sequence[str | Path],
    scores: Sequence[str | Path],
    *,
    table: str | Path,
    page: str | Path,
    seed: int,
    n_bootstrap: int,
    clip_trs: int,
    codec: Coder | None = None,
) -> None:
    """Write ``ablation.csv`` (long) and ``ablation.md`` (the test TRs, and the choice).

    Parameters
    ----------
    audio
        ``stimulus/{run}/audio.wav`` of the study's runs.
    scores
        Tables of :func:`giblet.validate.ablation_scores.score_variant`, each in
        ``{variant}/seed-{number}/``; the first variant is what the others are held against.
    seed, n_bootstrap
        Of the intervals.
    """
    rows: list[Row] = []
    with open_study(study) as opened:
        codec = codec or codec_of(opened.file)
        for split in SPLITS:
            held = HeldOut(opened, audio, codec, split, clip_trs)
            rows += [{"split": split, **row} for row in references(held)]
        size = {split: sum(s.stop - s.start for s in opened.segments(split)) for split in SPLITS}
        seconds = float(as_fraction(opened.tr_s))
        about = (
            f"{size['val']} validation and {size['test']} test TRs of {seconds:g} s, "
            f"{len(opened.subjects)} subjects, codec `{Path(str(opened.file.attrs['codec'])).name}`"
        )
    parts = [read_made_table(path).assign(seed=Path(path).parent.name) for path in scores]
    scored = pd.concat([*parts, pd.DataFrame(rows).assign(seed="")], ignore_index=True)
    found = summary(scored, n_bootstrap, seed)
    with replacing(table) as partial:
        without_formulas(found).to_csv(partial, index=False, float_format="%.6g")
    with replacing(page) as partial:
        partial.write_text(as_page(found, about), encoding="utf-8")


def references(held: HeldOut) -> Iterator[Row]:
    """Floors and ceilings that no network has a part in."""
    study, parts = held.study, held.segments
    order = np.argsort(-study.code_counts, axis=1, kind="stable")  # [Q, K]
    place = np.argsort(order, axis=1)  # [Q, K]: how many codes are commoner
    true = {part: held.codes(part) for part in parts}
    rank = {part: np.take_along_axis(place, codes, axis=1) for part, codes in true.items()}
    floor = {"variant": "floor"}
    for row in code_rows(held.clips, "codes", rank):
        yield {**floor, "source": "floor_unigram", **row}
    commonest = {part: np.repeat(order[:, :1], codes.shape[1], 1) for part, codes in true.items()}
    for row in sound_rows(held, "codes", commonest):
        yield {**floor, "source": "floor_unigram", **row}
    mean = {part: np.tile(study.latent_mean, (codes.shape[1], 1)) for part, codes in true.items()}
    for row in sound_rows(held, "latents", mean):
        yield {**floor, "source": "floor_mean", **row}
    for row in sound_rows(held, "codes", true):
        yield {"variant": "ceiling", "source": "ceiling", **row}


def summary(scored: pd.DataFrame, n_bootstrap: int, seed: int) -> pd.DataFrame:
    """Means over clips and seeds, with intervals and differences; also means over codebooks.

    Parameters
    ----------
    scored
        Rows of :func:`giblet.validate.ablation_scores.score_variant` of all variants, and their
        ``seed``.
    """
    of_books = scored[scored["codebook"].notna()]
    by = ["variant", "seed", "split", "source", "export", "metric", "clip"]
    over_books = of_books.groupby(by, sort=False)[["n", "value"]].mean().reset_index()
    # Keys must be equal to themselves, which NaN is not.
    scored = pd.concat([scored, over_books], ignore_index=True).fillna(NOTHING)
    first = scored["variant"].iloc[0]
    rows: list[Row] = []
    for number, split in enumerate(SPLITS):
        here = scored[scored["split"] == split]
        if here.empty:
            continue
        counts = _counts(here, n_bootstrap, [seed, number])
        groups = here.groupby(["variant", *KEY], sort=False)
        drawn = {key: _drawn(part, counts) for key, part in groups}
        rows += (_summed(key, drawn, str(first)) for key in drawn)
    found = pd.DataFrame(rows, columns=COLUMNS)
    for name, nothing in NOTHING.items():
        found[name] = found[name].where(found[name] != nothing)
    return found


def _counts(here: pd.DataFrame, n_bootstrap: int, seed: Sequence[int]) -> Drawn:
    """How often each clip is in each draw [1 + draws, clips]; the first has every clip once."""
    n_clips = int(here["clip"].fillna(0).max()) + 1
    rng = np.random.default_rng(list(seed))
    draws = rng.integers(n_clips, size=(n_bootstrap if n_clips > 1 else 0, n_clips))
    return np.stack([np.ones(n_clips), *(np.bincount(d, minlength=n_clips) for d in draws)])


def _drawn(part: pd.DataFrame, counts: Drawn) -> Drawn:
    """Mean over clips, of each seed in each draw [seeds, 1 + draws]."""
    if part["clip"].isna().all():  # not of clips: no draws
        return part.groupby("seed", sort=False)["value"].mean().to_numpy()[:, None]
    out = []
    for _, mine in part[part["value"].notna()].groupby("seed", sort=False):
        clip = mine["clip"].to_numpy(int)
        n, total = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
        n[clip], total[clip] = mine["n"], mine["n"] * mine["value"]
        there = counts @ n
        empty = np.full(len(counts), np.nan)
        out.append(np.divide(counts @ total, there, out=empty, where=there > 0))
    return np.array(out) if out else np.full((1, len(counts)), np.nan)


def _summed(key: Key, drawn: Mapping[Key, Drawn], first: str) -> Row:
    variant, rest, of_seeds = key[0], key[1:], drawn[key]
    low, high = percentile_interval(of_seeds[:, 1:].mean(0))
    row = dict(zip(KEY, rest, strict=True)) | {
        "variant": variant, "value": float(of_seeds[:, 0].mean()), "ci_low": low, "ci_high": high,
        "seed_sd": spread(of_seeds[:, 0]), "n_seeds": len(of_seeds),
    }  # fmt: skip
    other = drawn.get((first, *rest))
    if variant != first and other is not None and len(other) == len(of_seeds):
        apart = of_seeds - other
        low, high = percentile_interval(apart[:, 1:].mean(0))
        row |= {
            "difference": float(apart[:, 0].mean()), "difference_low": low, "difference_high": high
        }  # fmt: skip
    return row


def as_page(found: pd.DataFrame, about: str) -> str:
    """The tables to read, in Markdown."""
    names = _variants(found)
    best = choice(found)
    n_seeds = int(found["n_seeds"].max())
    lines = [
        f"Made by `snakemake ablation_audio`; {n_seeds} "
        + (
            "networks of each variant with different seeds"
            if n_seeds > 1
            else "network of each variant"
        )
        + f"; {about}. Log-mel distance (natural log, lower is better) and STOI of sound decoded "
        "from predicted latents, from these re-quantised, and from the most probable codes; top-1 "
        "and top-10 in percent of codec frames, mean over codebooks; from BOLD, mean over "
        "subjects. In brackets 95 % intervals over clips, after ± the standard deviation over "
        f"seeds; Δ: difference to `{names[0]}` on the same seeds and clips.",
        "",
        f"**Chosen on the validation TRs: `{best[0]}`, decoded from {best[1]}** (smallest log-mel "
        f"distance, mean of both sources: {best[2]:.3f})." + _told_apart(found, best, names[0]),
    ]
    test = found[found["split"] == "test"]
    for source, title in SOURCES.items():
        lines += ["", f"Test TRs, {title}:", "", *_distances(test, names, source)]
        lines += ["", f"Test TRs, {title}, other scores:", "", *_others(test, names, source)]
    lines += ["", "Test TRs, top-1 / top-10 per codebook (%), from the stimulus:", ""]
    lines += _per_codebook(test, names)
    return "\n".join(lines) + "\n"


def _told_apart(found: pd.DataFrame, best: tuple[str, str, float], first: str) -> str:
    """Whether the choice differs from the first variant by more than its intervals."""
    if best[0] == first:
        return ""
    val = found[found["split"] == "val"]
    parts = []
    for source, title in SOURCES.items():
        cell = _cell(val, best[0], source, "log_mel_distance", best[1])
        if cell is None or np.isnan(cell["difference_low"]):
            return ""
        parts.append((f"{difference_cell(cell)} {title.split(',')[0]}", cell["difference_high"]))
    apart = all(high < 0 for _, high in parts)
    return (
        f" Its difference to `{first}` there is {' and '.join(said for said, _ in parts)}: "
        f"{'more than' if apart else 'no more than'} the clips can tell apart."
    )


def choice(found: pd.DataFrame) -> tuple[str, str, float]:
    """Variant and export with the smallest validation log-mel distance, mean over sources."""
    rows = found[
        (found["split"] == "val")
        & (found["metric"] == "log_mel_distance")
        & found["source"].isin(list(SOURCES))
    ]
    means = rows.groupby(["variant", "export"])["value"].mean()
    variant, export = str(means.idxmin()[0]), str(means.idxmin()[1])  # type: ignore[index]
    return variant, export, float(means.min())


def _variants(found: pd.DataFrame) -> list[str]:
    return [str(v) for v in found.loc[found["source"] == "model", "variant"].unique()]


def _cell(
    rows: pd.DataFrame, variant: str, source: str, metric: str, export: str | None
) -> pd.Series[Any] | None:
    """The row of one score, mean over codebooks."""
    same = rows["export"].isna() if export is None else rows["export"] == export
    here = (rows["variant"] == variant) & (rows["source"] == source) & (rows["metric"] == metric)
    mine = rows[here & same & rows["codebook"].isna()]
    return mine.iloc[0] if len(mine) else None


# Beside the variants: what it is called, its name in the table, and its source.
REFERENCES = (
    ("floor: commonest codes", "floor", "floor_unigram"),
    ("floor: mean latent", "floor", "floor_mean"),
    ("ceiling: true codes", "ceiling", "ceiling"),
)


def _listed(names: Sequence[str], source: str) -> list[tuple[str, str, str]]:
    return [*((f"`{name}`", name, source) for name in names), *REFERENCES]


def _distances(test: pd.DataFrame, names: Sequence[str], source: str) -> list[str]:
    body = []
    for title, variant, of in _listed(names, source):
        cells = [_cell(test, variant, of, "log_mel_distance", export) for export in EXPORTS]
        body.append([title, value_cell(cells[0]), difference_cell(cells[0])])
        body[-1] += [value_cell(cell) for cell in cells[1:]]
    head = ["heads", "log-mel, latents", "Δ", "log-mel, re-quantised", "log-mel, codes"]
    return markdown(head, body)


def _others(test: pd.DataFrame, names: Sequence[str], source: str) -> list[str]:
    columns = {
        "STOI, latents": ("stoi", "latents", 1),
        "STOI, codes": ("stoi", "codes", 1),
        "top-1, %": ("top1", "codes", 100),
        "top-10, %": ("top10", "codes", 100),
    }
    body = []
    for title, variant, of in _listed(names, source):
        cells = [
            value_cell(_cell(test, variant, of, metric, export), scale)
            for metric, export, scale in columns.values()
        ]
        r = _cell(test, variant, "model", "bold_r", None)
        body.append([title, *cells, "" if r is None else value_cell(r)])
    return markdown(["heads", *columns, "r of BOLD"], body)


def _per_codebook(test: pd.DataFrame, names: Sequence[str]) -> list[str]:
    rows = test[(test["export"] == "codes") & test["codebook"].notna()]
    rows = rows[rows["source"].isin(["model", "floor_unigram"])]
    books = sorted({int(book) for book in rows["codebook"]})
    body = []
    for variant in [*names, "floor"]:
        mine = rows[rows["variant"] == variant].set_index(["codebook", "metric"])["value"]
        cells = [" / ".join(f"{100 * mine[book, f'top{n}']:.1f}" for n in TOP) for book in books]
        body.append(["floor: commonest codes" if variant == "floor" else f"`{variant}`", *cells])
    return markdown(["heads", *(f"codebook {book}" for book in books)], body)
