"""Text scores: how near decoded embeddings are to those of what was said or shown.

*Retrieval*: all different sentences of the film's annotations are ranked by their similarity
to the decoded embedding; similarities are cosines after removing the training mean, because
sentence embeddings share a large common part that would make any of them look alike.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.resampling import Array
from giblet.store import reading
from giblet.validate.floors import nearest_by_bold
from giblet.validate.identification import top_k, unit_rows
from giblet.validate.items import Scorer
from giblet.validate.predictions import (
    check_predictions,
    decoded_sources,
    has,
    predicted_rows,
)
from giblet.validate.settings import Settings
from giblet.validate.table import MetricTable, write_table
from giblet.validate.testset import TestSet, held_out, load_test_set, runs_of

TOP = (1, 5, 10)
LISTED = ("model", "from_bold", "from_predicted", "ridge")


@dataclass(frozen=True)
class Sentences:
    """All different sentences of a film.

    Attributes
    ----------
    text : the C sentences
    embedding : array of shape (C, E), mean over the TRs they stand in
    of_tr : run -> array of shape (T,), number of each TR's sentence, -1 without text
    """

    text: list[str]
    embedding: NDArray[np.float32]
    of_tr: Mapping[str, NDArray[np.int64]]


def score_text(
    study: str | Path,
    predictions: str | Path,
    baseline: str | Path,
    texts: Sequence[str | Path],
    *,
    metrics: str | Path,
    retrieved: str | Path,
    seed: int,
    n_permutations: int,
    n_bootstrap: int,
    block_trs: int,
    min_shift_s: float,
    identification_min_distance_s: float,
) -> None:
    """Score every source's embeddings and write ``metrics.csv`` and ``retrieved.tsv``.

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
        reading(study, stage="align") as study_file,
        reading(predictions, stage="validate") as predicted,
        reading(baseline, stage="train") as ridge,
    ):
        tests = load_test_set(study_file)
        check_predictions(predicted, tests)
        sentences = load_sentences(study_file, texts)
        mean = study_file["stats/text/mean"][:]
        scorer = Scorer(table, settings)
        for source, subject, own, found in _sources(study_file, predicted, ridge, tests):
            number = np.concatenate(
                [sentences.of_tr[r][t] for r, t in zip(own.runs, own.trs, strict=True)]
            )
            true = held_out(study_file, "runs/{run}/text", own)
            if not (number >= 0).any():
                print(f"{source} {subject}: no test TR has text, not scored")
                continue
            _add_cosines(table, source, subject, found, true, number, mean, own, settings)
            ranked = rank_sentences(found, sentences, number, mean)
            _add_retrieval(table, source, subject, ranked, own, settings)
            if source != "ceiling":
                scorer.identify(
                    source, subject, found - mean, true - mean, own, keep=number >= 0, same=number
                )
            if source in LISTED:
                rows += _listed(own, source, subject, ranked, sentences, number)
        scorer.add_pooled()
        _add_chance(table, sentences)
    columns = ["run", "tr", "start_s", "source", "subject", "true_text", "retrieved_text"]
    columns += ["rank", "n_candidates", "cosine"]
    write_table(retrieved, pd.DataFrame(rows, columns=columns))
    table.write(metrics)


def load_sentences(study: h5py.File, texts: Sequence[str | Path]) -> Sentences:
    """Collect the different sentences of all runs and their embeddings."""
    number: dict[str, int] = {}
    sums: list[NDArray[np.float64]] = []
    counts: list[int] = []
    of_tr = {}
    for path in map(Path, texts):
        run = path.parent.name
        if f"runs/{run}" not in study:
            raise ValidationError(f"{path}: {study.filename} has no run {run}: run align again")
        embedding, valid = study[f"runs/{run}/text"][:], study[f"runs/{run}/text_valid"][:]
        said = _said(path)
        if len(said) < len(valid):
            raise ValidationError(
                f"{path} has {len(said)} TRs, the study {len(valid)} for {run}: one of them was "
                "made with other settings; run stimulus and align again"
            )
        of_tr[run] = np.full(len(valid), -1)
        for tr in np.flatnonzero(valid):
            if not said[tr]:
                continue
            place = number.setdefault(said[tr], len(number))
            if place == len(sums):
                sums.append(np.zeros(embedding.shape[1]))
                counts.append(0)
            sums[place] += embedding[tr]
            counts[place] += 1
            of_tr[run][tr] = place
    if not number:
        width = study["stats/text/mean"].shape[0]
        return Sentences([], np.zeros((0, width), np.float32), of_tr)
    mean = np.stack(sums) / np.asarray(counts)[:, None]
    return Sentences(list(number), mean.astype(np.float32), of_tr)


def _said(path: Path) -> list[str]:
    """Text of each TR of a ``text.tsv``, "" where there is none."""
    table = pd.read_csv(
        path, sep="\t", dtype={"text": str}, keep_default_na=False, quoting=csv.QUOTE_MINIMAL
    )
    return [str(text).strip() for text in table["text"]]


@dataclass(frozen=True)
class Ranked:
    """Retrieval of the n test TRs, NaN or -1 where a TR has no text."""

    rank: NDArray[np.float64]
    hits: Mapping[int, NDArray[np.float64]]
    best: NDArray[np.int64]
    cosine: NDArray[np.float64]


def rank_sentences(
    found: Array, sentences: Sentences, number: NDArray[np.int64], mean: Array
) -> Ranked:
    """Rank all sentences by similarity to each decoded embedding.

    Parameters
    ----------
    found : array of shape (n, E)
    number : array of shape (n,), each TR's own sentence, -1 for none
    mean : array of shape (E,), training mean
    """
    said = number >= 0
    scores = (
        unit_rows(found - mean, centre=False)
        @ unit_rows(sentences.embedding - mean, centre=False).T
    )
    own = scores[np.arange(len(number)), number][:, None]
    # Equal to within rounding is a tie: a constant embedding must not win by its last bit.
    greater = (scores > own + 1e-9).sum(1)
    ties = (np.abs(scores - own) <= 1e-9).sum(1) - 1
    hits = {k: np.where(said, top_k(greater, ties, k), np.nan) for k in TOP}
    rank = np.where(said, greater + 0.5 * ties + 1, np.nan)
    best = scores.argmax(1) if len(sentences.text) else np.full(len(number), -1)
    cosine = np.where(said, own[:, 0], np.nan)
    return Ranked(rank, hits, best, cosine)


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
        table.add_items(name, "1", source, values, block, subject=subject)


def _add_retrieval(
    table: MetricTable,
    source: str,
    subject: str,
    ranked: Ranked,
    tests: TestSet,
    settings: Settings,
) -> None:
    block = tests.blocks(settings.block_trs)
    for k, hits in ranked.hits.items():
        table.add_items(f"retrieval_top{k}", "share", source, hits, block, subject=subject)
    table.add_items(
        "retrieval_median_rank",
        "rank",
        source,
        ranked.rank,
        block,
        subject=subject,
        statistic=np.median,
    )


def _add_chance(table: MetricTable, sentences: Sentences) -> None:
    n = len(sentences.text)
    for k in TOP:
        value = min(1.0, k / n) if n else float("nan")
        table.add(f"retrieval_top{k}", "share", "chance", value, n=n)
    table.add("retrieval_median_rank", "rank", "chance", (n + 1) / 2 if n else np.nan, n=n)


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
