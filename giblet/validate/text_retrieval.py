"""The sentences of a film, and where the true one stands among them for a decoded embedding.

Sentences are ranked by their similarity to the embedding: cosines after removing the training
mean, because sentence embeddings share a large common part that would make any look alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.resampling import Array
from giblet.results import read_made_table
from giblet.validate.identification import top_k, unit_rows
from giblet.validate.testset import TestSet

TOP = (1, 5, 10)


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
    table = read_made_table(path, ("text",), plain=True, dtype={"text": str}, keep_default_na=False)
    return [str(text).strip() for text in table["text"]]


@dataclass(frozen=True)
class Ranked:
    """Retrieval of the n test TRs, NaN, -1 or 0 where a TR has no text."""

    rank: NDArray[np.float64]
    hits: Mapping[int, NDArray[np.float64]]
    best: NDArray[np.int64]
    cosine: NDArray[np.float64]
    n_candidates: NDArray[np.int64]


def rank_sentences(
    found: Array,
    sentences: Sentences,
    number: NDArray[np.int64],
    mean: Array,
    allowed: NDArray[np.bool_] | None = None,
) -> Ranked:
    """Rank sentences by similarity to each decoded embedding.

    Parameters
    ----------
    found : array of shape (n, E)
    number : array of shape (n,), each TR's own sentence, -1 for none
    mean : array of shape (E,), training mean
    allowed : array of shape (n, C), which sentences stand against each TR's own; None: all
    """
    said = number >= 0
    scores = (
        unit_rows(found - mean, centre=False)
        @ unit_rows(sentences.embedding - mean, centre=False).T
    )
    own = scores[np.arange(len(number)), number][:, None]
    # Equal to within rounding is a tie: a constant embedding must not win by its last bit.
    others = np.arange(len(sentences.text)) != number[:, None]
    others = others if allowed is None else others & allowed
    greater = (others & (scores > own + 1e-9)).sum(1)
    ties = (others & (np.abs(scores - own) <= 1e-9)).sum(1)
    hits = {k: np.where(said, top_k(greater, ties, k), np.nan) for k in TOP}
    rank = np.where(said, greater + 0.5 * ties + 1, np.nan)
    best = scores.argmax(1) if len(sentences.text) else np.full(len(number), -1)
    cosine = np.where(said, own[:, 0], np.nan)
    return Ranked(rank, hits, best, cosine, np.where(said, others.sum(1) + 1, 0))


def far_sentences(sentences: Sentences, tests: TestSet, min_distance_s: float) -> NDArray[np.bool_]:
    """Which sentences stand nowhere near each test TR.

    Neighbouring sentences are of the same scene, and look alike for reasons that have nothing
    to do with the moment: far ones are of another film, or stand only in TRs at least
    `min_distance_s` away.

    Returns
    -------
    array of shape (n, C), bool
    """
    near_trs = tests.trs_of(min_distance_s)
    out = np.ones((tests.n, len(sentences.text)), bool)
    films = {run: tests.repeats.get(run, run) for run in sentences.of_tr}
    for place, (run, tr) in enumerate(zip(tests.run_name, tests.tr, strict=True)):
        for other, numbers in sentences.of_tr.items():
            if films[other] == films[str(run)]:
                near = numbers[max(0, int(tr) - near_trs + 1) : int(tr) + near_trs]
                out[place, near[near >= 0]] = False
    return out


def sentence_numbers(sentences: Sentences, tests: TestSet) -> NDArray[np.int64]:
    """Number of each test TR's sentence, -1 without text; shape (n,)."""
    return np.concatenate(
        [sentences.of_tr[r][t] for r, t in zip(tests.runs, tests.trs, strict=True)]
    )
