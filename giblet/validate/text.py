"""Text scores: how near decoded embeddings are to those of what was said or shown.

*Retrieval*: all different sentences of the film's annotations are ranked by their similarity
to the decoded embedding (:mod:`giblet.validate.text_retrieval`), and once more without those
that stand near the moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet.resampling import Array
from giblet.store import reading
from giblet.validate.floors import nearest_by_bold
from giblet.validate.identification import unit_rows
from giblet.validate.items import Scorer
from giblet.validate.predictions import (
    decoded_sources,
    has,
    opened_predictions,
    predicted_rows,
)
from giblet.validate.settings import Settings
from giblet.validate.table import MetricTable, write_table
from giblet.validate.testset import TestSet, held_out, runs_of
from giblet.validate.text_retrieval import (
    TOP,
    Ranked,
    Sentences,
    far_sentences,
    load_sentences,
    rank_sentences,
    sentence_numbers,
)

RETRIEVAL, RETRIEVAL_FAR = "retrieval", "retrieval_far"
LISTED = ("model", "from_bold", "from_predicted", "ridge")


def score_text(
    study: str | Path,
    predictions: str | Path,
    baseline: str | Path,
    texts: Sequence[str | Path],
    *,
    metrics: str | Path,
    trs: str | Path,
    retrieved: str | Path,
    seed: int,
    n_permutations: int,
    n_bootstrap: int,
    block_trs: int,
    min_shift_s: float,
    identification_min_distance_s: float,
) -> None:
    """Score every source's embeddings and write ``metrics.csv``, ``trs.tsv`` and ``retrieved.tsv``.

    Parameters
    ----------
    texts : ``stimulus/{run}/text.tsv`` of the study's runs, each in a folder of its name
    """
    settings = Settings(
        seed, n_permutations, n_bootstrap, block_trs, min_shift_s, identification_min_distance_s
    )
    table = MetricTable("text", n_bootstrap, seed)
    rows: list[dict[str, Any]] = []
    with (
        opened_predictions(study, predictions) as (study_file, predicted, tests),
        reading(baseline, stage="train") as ridge,
    ):
        sentences = load_sentences(study_file, texts)
        mean = study_file["stats/text/mean"][:]
        scorer = Scorer(table, settings)
        for source, subject, own, found in _sources(study_file, predicted, ridge, tests):
            number = sentence_numbers(sentences, own)
            true = held_out(study_file, "runs/{run}/text", own)
            if not (number >= 0).any():
                print(f"{source} {subject}: no test TR has text, not scored")
                continue
            _add_cosines(table, source, subject, found, true, number, mean, own, settings)
            ranked = rank_sentences(found, sentences, number, mean)
            _add_retrieval(table, RETRIEVAL, source, subject, ranked, own, settings)
            far = far_sentences(sentences, own, settings.min_distance_s)
            among = rank_sentences(found, sentences, number, mean, far)
            _add_retrieval(table, RETRIEVAL_FAR, source, subject, among, own, settings)
            scorer.identify(
                source, subject, found - mean, true - mean, own, keep=number >= 0, same=number
            )
            if source in LISTED:
                rows += _listed(own, source, subject, ranked, sentences, number)
        scorer.add_pooled()
        _add_chance(table, sentences, tests, settings)
    columns = ["run", "tr", "start_s", "source", "subject", "true_text", "retrieved_text"]
    columns += ["rank", "n_candidates", "cosine"]
    write_table(retrieved, pd.DataFrame(rows, columns=columns))
    table.write(metrics)
    table.write_trs(trs)


def _add_cosines(
    table: MetricTable,
    source: str,
    subject: str,
    found: Array,
    true: Array,
    number: NDArray[np.int64],
    mean: Array,
    tests: TestSet,
    settings: Settings,
) -> None:
    block = tests.blocks(settings.block_trs)
    for name, around in (("cosine", 0 * mean), ("cosine_centred", mean)):
        a, b = unit_rows(found - around, centre=False), unit_rows(true - around, centre=False)
        values = np.where(number >= 0, (a * b).sum(1), np.nan)
        table.add_items(name, "1", source, values, block, subject=subject, tests=tests)


def _add_retrieval(
    table: MetricTable,
    prefix: str,
    source: str,
    subject: str,
    ranked: Ranked,
    tests: TestSet,
    settings: Settings,
) -> None:
    block = tests.blocks(settings.block_trs)
    whose: dict[str, Any] = {"subject": subject, "tests": tests}
    for k, hits in ranked.hits.items():
        table.add_items(f"{prefix}_top{k}", "share", source, hits, block, **whose)
    name = f"{prefix}_median_rank"
    table.add_items(name, "rank", source, ranked.rank, block, statistic=np.median, **whose)


def _add_chance(
    table: MetricTable, sentences: Sentences, tests: TestSet, settings: Settings
) -> None:
    """What guessing scores among all sentences, and among each TR's own and the far ones."""
    said = sentence_numbers(sentences, tests) >= 0
    far = far_sentences(sentences, tests, settings.min_distance_s)[said].sum(1) + 1
    for prefix, n in ((RETRIEVAL, np.full(said.sum(), len(sentences.text))), (RETRIEVAL_FAR, far)):
        some = len(n) > 0
        for k in TOP:
            value = float(np.minimum(1, k / n).mean()) if some else float("nan")
            table.add(f"{prefix}_top{k}", "share", "chance", value, n=len(n))
        middle = float(np.median((n + 1) / 2)) if some else float("nan")
        table.add(f"{prefix}_median_rank", "rank", "chance", middle, n=len(n))


def _listed(
    tests: TestSet,
    source: str,
    subject: str,
    ranked: Ranked,
    sentences: Sentences,
    number: NDArray[np.int64],
) -> Iterator[dict[str, Any]]:
    for k in np.flatnonzero(number >= 0):
        yield {
            "run": str(tests.run_name[k]),
            "tr": int(tests.tr[k]),
            "start_s": float(tests.time_s[k]),
            "source": source,
            "subject": subject,
            "true_text": sentences.text[number[k]],
            "retrieved_text": sentences.text[ranked.best[k]],
            "rank": float(ranked.rank[k]),
            "n_candidates": len(sentences.text),
            "cosine": float(ranked.cosine[k]),
        }


def _sources(
    study: h5py.File, predicted: h5py.File, ridge: h5py.File, tests: TestSet
) -> Iterator[tuple[str, str, TestSet, NDArray[np.float32]]]:
    """Source, subject, its test TRs, and its embeddings for them."""
    true = held_out(study, "runs/{run}/text", tests)
    yield "ceiling", "", tests, true
    yield "floor_mean", "", tests, np.tile(study["stats/text/mean"][:], (tests.n, 1))
    for source, subject in decoded_sources(predicted, "text"):
        own = tests.of_runs([r for r in tests.runs if has(predicted, r, "text", source, subject)])
        found = predicted_rows(predicted, own, "text", source, subject)
        yield source, subject, own, found
        if source == "from_bold":
            yield "floor_shifted", subject, own, found[own.shifted()]
    for subject in tests.subjects:
        own = tests.of_runs(runs_of(study, subject))
        if not own.runs:
            continue
        moments = nearest_by_bold(study, own, subject, runs_of(study, subject))
        yield "floor_nearest", subject, own, moments.rows(study, "runs/{run}/text")
        if f"decode/text/{subject}" in ridge:
            yield "ridge", subject, own, held_out(ridge, f"decode/text/{subject}/{{run}}", own)
