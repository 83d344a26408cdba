"""What a region says: words decoded by ridge from the BOLD of one region alone.

The linear decoder of :mod:`giblet.train.baseline_decode` (same training TRs, delays, folds and
penalties), fitted again on the voxels of each region, all weighing the same. What it says of a
test TR is the sentence of the film nearest to the decoded embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet.store import reading
from giblet.timing import seconds_to_trs
from giblet.train.baseline import load_bold
from giblet.train.baseline_decode import DecodingFit, decode, decoding_kernel, decoding_rows
from giblet.train.baseline_design import Timeline
from giblet.validate.fmri_tables import regions
from giblet.validate.items import Scorer
from giblet.validate.settings import Settings
from giblet.validate.statistics import fdr
from giblet.validate.table import MetricTable, write_table
from giblet.validate.testset import TestSet, held_out, load_test_set, runs_of, shown_subject
from giblet.validate.text_retrieval import (
    Ranked,
    Sentences,
    load_sentences,
    rank_sentences,
    sentence_numbers,
)
from giblet.validate.truth import load_truth

SOURCE = "ridge"
# Column of the table -> metric of the region's own table.
COLUMNS = {
    "pairwise": "identification_pairwise",
    "top5": "identification_top5",
    "p": "identification_p",
}
SAID = ["region", "subject", "run", "tr", "start_s", "true_text", "nearest_text", "rank"]
SAID += ["n_candidates", "cosine"]


@dataclass
class Region:
    """What is collected of one region over the subjects."""

    inside: NDArray[np.bool_]
    scorer: Scorer
    ranks: dict[str, list[float]] = field(default_factory=dict)
    n_voxels: dict[str, int] = field(default_factory=dict)


def score_text_regions(
    study: str | Path,
    texts: Sequence[str | Path],
    truth: Sequence[str | Path],
    *,
    table: str | Path,
    said: str | Path,
    seed: int,
    n_permutations: int,
    n_bootstrap: int,
    block_trs: int,
    min_shift_s: float,
    identification_min_distance_s: float,
    max_regions: int,
    gap_s: float,
    decode_delays_trs: Sequence[int],
    n_folds: int,
    n_alphas: int,
    min_log10_alpha: float,
    max_log10_alpha: float,
    batch_voxels: int,
) -> None:
    """Decode words from each region and write a table of scores and one of sentences.

    Parameters
    ----------
    texts : ``stimulus/{run}/text.tsv`` of the study's runs, each in a folder of its name
    truth : ``simulate/truth.h5`` in a list, or an empty list for a real study
    table : ``text/by_region.csv``: how well each region's words are told apart
    said : ``text/region_sentences.tsv``: what the regions of one subject, drawn by `seed`, say
    max_regions : of more regions the largest are taken
    """
    settings = Settings(
        seed, n_permutations, n_bootstrap, block_trs, min_shift_s, identification_min_distance_s
    )
    rows: list[dict[str, object]] = []
    with reading(study, stage="align") as file:
        tests = load_test_set(file)
        fit = DecodingFit(
            [int(delay) for delay in decode_delays_trs],
            n_folds,
            seconds_to_trs(str(gap_s), tests.tr_s),
            np.logspace(min_log10_alpha, max_log10_alpha, n_alphas, dtype=np.float32),
            batch_voxels,
        )
        sentences = load_sentences(file, texts)
        planted = load_truth(truth[0], file, tests.subjects) if truth else None
        chosen = {
            name: Region(inside, Scorer(MetricTable("text", n_bootstrap, seed), settings))
            for name, inside in _largest(regions(file, planted), max_regions).items()
        }
        scanned = [s for s in tests.subjects if tests.of_runs(runs_of(file, s)).runs]
        shown = shown_subject(scanned, seed) if scanned else ""
        for subject in scanned:
            own = tests.of_runs(runs_of(file, subject))
            for name, ranked in _subject(file, own, subject, chosen, sentences, fit):
                if subject == shown:
                    rows += _said(name, subject, own, ranked, sentences)
    write_table(said, pd.DataFrame(rows, columns=SAID))
    write_table(table, _table(chosen))


def _largest(found: Mapping[str, NDArray[np.bool_]], n: int) -> dict[str, NDArray[np.bool_]]:
    """The `n` regions with the most voxels, in the order they came."""
    sizes = {name: int(inside.sum()) for name, inside in found.items()}
    kept = sorted(sizes, key=lambda name: -sizes[name])[:n]
    return {name: inside for name, inside in found.items() if name in kept and sizes[name]}


def _subject(
    study: h5py.File,
    tests: TestSet,
    subject: str,
    chosen: Mapping[str, Region],
    sentences: Sentences,
    fit: DecodingFit,
) -> Iterator[tuple[str, Ranked]]:
    """Score one subject; yield each region's retrieval."""
    timeline = Timeline.of(study)
    runs, bold, valid = load_bold(study, timeline, subject)
    text = np.concatenate([study[f"runs/{run}/text"][:] for run in timeline.runs])
    described = np.concatenate([study[f"runs/{run}/text_valid"][:] for run in timeline.runs])
    rows = decoding_rows(timeline, timeline.train_rows(runs), fit.delays)
    rows = rows[described[rows].astype(bool)]
    number = sentence_numbers(sentences, tests)
    if len(rows) < 2 * fit.n_folds or not (number >= 0).any():
        print(f"{subject}: {len(rows)} training TRs have text, nothing decoded from regions")
        return
    mean = study["stats/text/mean"][:]
    true = held_out(study, "runs/{run}/text", tests)
    here = [
        timeline.rows_of(run).start + trs for run, trs in zip(tests.runs, tests.trs, strict=True)
    ]
    place = np.concatenate(here)
    for name, region in chosen.items():
        inside = region.inside & valid
        if not inside.any():
            continue
        kernel = decoding_kernel(bold[:, inside], timeline, fit.delays, rows)
        found = decode(kernel, text, timeline, rows, fit)[place]
        keep = number >= 0
        region.scorer.identify(
            SOURCE, subject, found - mean, true - mean, tests, keep=keep, same=number
        )
        ranked = rank_sentences(found, sentences, number, mean)
        region.ranks[subject] = ranked.rank[keep].tolist()
        region.n_voxels[subject] = int(inside.sum())
        yield name, ranked


def _said(
    region: str, subject: str, tests: TestSet, ranked: Ranked, sentences: Sentences
) -> Iterator[dict[str, object]]:
    for k in np.flatnonzero(ranked.n_candidates > 0):
        run, tr = str(tests.run_name[k]), int(tests.tr[k])
        yield {
            "region": region,
            "subject": subject,
            "run": run,
            "tr": tr,
            "start_s": float(tests.time_s[k]),
            "true_text": sentences.text[sentences.of_tr[run][tr]],
            "nearest_text": sentences.text[ranked.best[k]],
            "rank": float(ranked.rank[k]),
            "n_candidates": len(sentences.text),
            "cosine": float(ranked.cosine[k]),
        }


def _table(chosen: Mapping[str, Region]) -> pd.DataFrame:
    """A row for each region and subject, and one for all subjects (`subject` empty)."""
    rows = []
    for name, region in chosen.items():
        region.scorer.add_pooled()
        scores = region.scorer.table.frame()
        scores = scores[scores["source"] == SOURCE].set_index(["metric", "subject"])
        for subject in (*region.ranks, *([""] if region.ranks else [])):
            ranks = region.ranks.get(subject) or [r for one in region.ranks.values() for r in one]
            value: dict[str, Any] = {
                key: scores.loc[(metric, subject)] for key, metric in COLUMNS.items()
            }
            rows.append(
                {
                    "region": name,
                    "subject": subject,
                    "pairwise": float(value["pairwise"]["value"]),
                    "ci_low": float(value["pairwise"]["ci_low"]),
                    "ci_high": float(value["pairwise"]["ci_high"]),
                    "n": int(value["pairwise"]["n"]),
                    "p": float(value["p"]["value"]),
                    "top5": float(value["top5"]["value"]),
                    "median_rank": float(np.median(ranks)),
                    "n_voxels": region.n_voxels.get(subject, sum(region.n_voxels.values())),
                }
            )
    columns = ["region", "subject", "pairwise", "ci_low", "ci_high", "n", "p", "top5"]
    out = pd.DataFrame(rows, columns=[*columns, "median_rank", "n_voxels"])
    out["q"] = float("nan")
    for mine in (out["subject"] == "", out["subject"] != ""):
        out.loc[mine, "q"] = fdr(out.loc[mine, "p"].to_numpy(float))
    return out
