"""Audio scores: how near the decoded sound of the test TRs is to the original.

Clips of a few TRs are scored by STOI, SI-SDR and spectral distances; single TRs by their mean
log-mel spectrum, which is also what the linear baseline decodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.features.mel import log_mel
from giblet.sound_scores import is_silent
from giblet.store import reading, writing
from giblet.timing import n_items
from giblet.validate.audio_decode import segment_samples, stored_sources
from giblet.validate.clip_scores import UNITS, ClipScores
from giblet.validate.items import Scorer
from giblet.validate.predictions import SHARED
from giblet.validate.settings import Settings
from giblet.validate.speech import Speech, load_speech
from giblet.validate.table import MetricTable, write_table
from giblet.validate.testset import TRAIN, TestSet, held_out, load_test_set, runs_of
from giblet.validate.tr_series import SeriesScorer


@dataclass(frozen=True)
class Clip:
    """A stretch of TRs ``[start, stop)`` of a run and its samples among the run's test ones."""

    run: str
    start: int
    stop: int
    samples: slice


def score_audio(
    study: str | Path,
    decoded: str | Path,
    baseline: str | Path,
    texts: Sequence[str | Path],
    *,
    metrics: str | Path,
    trs: str | Path,
    clips: str | Path,
    series: str | Path,
    seed: int,
    n_permutations: int,
    n_bootstrap: int,
    block_trs: int,
    min_shift_s: float,
    identification_min_distance_s: float,
    clip_trs: int,
    speech: str,
    min_speech: float,
) -> None:
    """Score every decoded sound and write the tables and ``series.h5``.

    Parameters
    ----------
    decoded : ``audio/decoded.h5`` (:mod:`giblet.validate.audio_decode`)
    texts : ``stimulus/{run}/text.tsv`` of the study's runs, each in a folder of its name
    clip_trs : about how many TRs are scored together by STOI and the other clip measures
    speech, min_speech : which clips are speech (:class:`giblet.validate.speech.Speech`)
    """
    settings = Settings(
        seed, n_permutations, n_bootstrap, block_trs, min_shift_s, identification_min_distance_s
    )
    table = MetricTable("audio", n_bootstrap, seed)
    with (
        reading(study, stage="align") as study_file,
        reading(decoded, stage="validate") as sounds,
        reading(baseline, stage="train") as ridge,
    ):
        tests = load_test_set(study_file)
        spoken = load_speech(texts, tests, mode=speech, min_share=min_speech)
        rows = _add_clips(table, study_file, sounds, tests, clip_trs, spoken, clips)
        print(f"{rows} clips scored")
        _add_ridge_distance(table, study_file, sounds, ridge, tests, clip_trs)
        with writing(series, stage="validate", tr_s=tests.tr_s) as kept:
            _add_spectra(table, study_file, sounds, ridge, tests, settings, kept)
    table.write(metrics)
    table.write_trs(trs)


def make_clips(tests: TestSet, rate_hz: int, clip_trs: int) -> Iterator[Clip]:
    """Cut the segments into nearly equal clips of about `clip_trs` TRs."""
    for run in tests.runs:
        for start, stop, samples in segment_samples(tests, run, rate_hz):
            edges = np.linspace(start, stop, max(1, round((stop - start) / clip_trs)) + 1).round()
            base = samples.start - n_items(start, tests.tr_s, rate_hz)
            for a, b in zip(edges[:-1].astype(int), edges[1:].astype(int), strict=True):
                first = base + n_items(int(a), tests.tr_s, rate_hz)
                last = base + n_items(int(b), tests.tr_s, rate_hz)
                yield Clip(run, int(a), int(b), slice(first, last))


def _add_clips(
    table: MetricTable,
    study: h5py.File,
    sounds: h5py.File,
    tests: TestSet,
    clip_trs: int,
    speech: Speech,
    path: str | Path,
) -> int:
    """Score all sources clip by clip; one clip is one item, and a block, of the bootstrap."""
    rate_hz = int(study.attrs["sample_rate_hz"])
    scores = ClipScores(rate_hz, int(study.attrs["hop_length"]), _n_mels(study, tests))
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, clip in enumerate(make_clips(tests, rate_hz, clip_trs)):
        original = _sound(sounds, clip.run, "original", "")[clip.samples]
        share = speech.share(clip.run, clip.start, clip.stop)
        is_speech = speech.is_speech(clip.run, clip.start, clip.stop)
        reference = scores.reference(original, is_speech)
        where = {"run": clip.run, "tr_start": clip.start, "tr_stop": clip.stop}
        for source, subject in all_sources(sounds, clip.run):
            other = _sound_of(sounds, tests, clip.run, source, subject, rate_hz)[clip.samples]
            who = {"source": source, "subject": subject, "speech": share, "is_speech": is_speech}
            rows.append({**where, **who, **scores.of(reference, other)})
            numbers.append(number)
    write_table(path, rows)
    for source, subject in dict.fromkeys((row["source"], row["subject"]) for row in rows):
        mine = [
            k for k, row in enumerate(rows) if (row["source"], row["subject"]) == (source, subject)
        ]
        block = np.array([numbers[k] for k in mine], np.int64)
        for name, unit in scores.units.items():
            values = np.array([rows[k][name] for k in mine], float)
            table.add_items(name, unit, source, values, block, subject=subject)
    return len(rows)


def _n_mels(study: h5py.File, tests: TestSet) -> int:
    return int(study[f"runs/{tests.runs[0]}/audio_log_mel"].shape[1])


def _add_ridge_distance(
    table: MetricTable,
    study: h5py.File,
    sounds: h5py.File,
    ridge: h5py.File,
    tests: TestSet,
    clip_trs: int,
) -> None:
    """Distance of the linear decoder's mean spectrum of each TR, held for all its frames."""
    rate_hz = int(study.attrs["sample_rate_hz"])
    for subject, own, found in _ridge_spectra(study, ridge, tests):
        values, number = [], []
        for place, clip in enumerate(make_clips(tests, rate_hz, clip_trs)):
            if clip.run not in own.runs:
                continue
            number.append(place)
            inside = (own.run_name == clip.run) & (own.tr >= clip.start) & (own.tr < clip.stop)
            index = study[f"runs/{clip.run}/audio_index"][clip.start : clip.stop]
            held = np.repeat(found[inside], index[:, 1] - index[:, 0], axis=0)
            mel = study[f"runs/{clip.run}/audio_log_mel"][index[0, 0] : index[-1, 1]]
            silent = is_silent(_sound(sounds, clip.run, "original", "")[clip.samples])
            values.append(np.nan if silent else np.abs(held - mel.astype(np.float32)).mean())
        name, block = "log_mel_distance", np.array(number, np.int64)
        table.add_items(name, UNITS[name], "ridge", np.array(values), block, subject=subject)


def _ridge_spectra(
    study: h5py.File, ridge: h5py.File, tests: TestSet
) -> Iterator[tuple[str, TestSet, NDArray[np.float32]]]:
    """Subject, its test TRs and the mean log-mel that ridge decodes of each."""
    for subject in tests.subjects:
        own = tests.of_runs(runs_of(study, subject))
        if own.runs and f"decode/log_mel/{subject}" in ridge:
            yield subject, own, held_out(ridge, f"decode/log_mel/{subject}/{{run}}", own)


def all_sources(sounds: h5py.File, run: str) -> Iterator[tuple[str, str]]:
    """Stored sources, and ``floor_shifted`` for every subject decoded from BOLD."""
    for source, subject in stored_sources(sounds, run):
        yield source, subject
        if source == "from_bold":
            yield "floor_shifted", subject


def _sound(sounds: h5py.File, run: str, source: str, subject: str) -> NDArray[np.float32]:
    pcm = sounds[f"{run}/{source}/{subject or SHARED}"][:]
    return np.asarray(pcm / np.float32(32767), np.float32)


def _sound_of(
    sounds: h5py.File, tests: TestSet, run: str, source: str, subject: str, rate_hz: int
) -> NDArray[np.float32]:
    """A run's test sound; ``floor_shifted`` is ``from_bold`` half a segment late."""
    if source != "floor_shifted":
        return _sound(sounds, run, source, subject)
    out = _sound(sounds, run, "from_bold", subject)
    for _, _, part in segment_samples(tests, run, rate_hz):
        out[part] = np.roll(out[part], (part.stop - part.start) // 2)
    return out


def _add_spectra(
    table: MetricTable,
    study: h5py.File,
    sounds: h5py.File,
    ridge: h5py.File,
    tests: TestSet,
    settings: Settings,
    kept: h5py.File,
) -> None:
    """Score the mean log-mel spectra of single TRs: correlation and identification."""
    true = np.concatenate([tr_means(study, run, trs) for run, trs in _each(tests)])
    mean = train_spectrum(study)
    scorer = Scorer(table, settings)
    correlated = SeriesScorer(kept, table, settings, "log_mel_r", true, tests)
    for source, subject, own, found in _spectra(study, sounds, ridge, tests, mean):
        mine = np.isin(tests.run_name, own.runs)
        correlated.add(source, subject, found, own)
        scorer.identify(source, subject, found - mean, true[mine] - mean, own)
    scorer.add_pooled()
    correlated.add_chance()


def _each(tests: TestSet) -> Iterator[tuple[str, NDArray[np.int64]]]:
    yield from zip(tests.runs, tests.trs, strict=True)


def tr_means(study: h5py.File, run: str, trs: Sequence[int] | NDArray[np.int64]) -> NDArray:  # type: ignore[type-arg]
    """Mean log-mel of the original in some TRs of a run, shape (n, M)."""
    index = study[f"runs/{run}/audio_index"][:]
    mel = study[f"runs/{run}/audio_log_mel"][:].astype(np.float32)
    return np.stack([mel[slice(*index[tr])].mean(0) for tr in trs])


def train_spectrum(study: h5py.File) -> NDArray[np.float32]:
    """Mean log-mel of the training TRs, shape (M,)."""
    parts = []
    for run in study["runs"]:
        train = np.flatnonzero(study[f"runs/{run}/split"][:] == TRAIN)
        if len(train):
            parts.append(tr_means(study, run, train))
    return np.concatenate(parts).mean(0).astype(np.float32)


def _spectra(
    study: h5py.File,
    sounds: h5py.File,
    ridge: h5py.File,
    tests: TestSet,
    mean: NDArray[np.float32],
) -> Iterator[tuple[str, str, TestSet, NDArray[np.float32]]]:
    """Source, subject, its test TRs, and the mean log-mel of each, shape (n, M).

    The sound of the mean latent has another spectrum than the mean; here the floor is the mean.
    """
    rate_hz = int(study.attrs["sample_rate_hz"])
    yield "floor_mean", "", tests, np.tile(mean, (tests.n, 1))
    sources = dict.fromkeys(pair for run in tests.runs for pair in all_sources(sounds, run))
    for source, subject in sources:
        if source == "floor_mean":
            continue
        own = tests.of_runs([r for r in tests.runs if (source, subject) in all_sources(sounds, r)])
        parts = []
        for run in own.runs:
            sound = _sound_of(sounds, tests, run, source, subject, rate_hz)
            parts += list(_segment_spectra(study, tests, run, sound, rate_hz))
        yield source, subject, own, np.concatenate(parts)
    for subject, own, spectra in _ridge_spectra(study, ridge, tests):
        yield "ridge", subject, own, spectra


def _segment_spectra(
    study: h5py.File, tests: TestSet, run: str, sound: NDArray[np.float32], rate_hz: int
) -> Iterator[NDArray[np.float32]]:
    hop = int(study.attrs["hop_length"])
    n_mels = study[f"runs/{run}/audio_log_mel"].shape[1]
    index = study[f"runs/{run}/audio_index"][:]
    for start, stop, part in segment_samples(tests, run, rate_hz):
        # Frames start at multiples of the hop of the run, a few samples after the TR does.
        skip = int(index[start, 0]) * hop - n_items(start, tests.tr_s, rate_hz)
        mel = log_mel(sound[part][max(0, skip) :], rate_hz, hop, n_mels)
        frames = index[start:stop] - index[start, 0]
        yield np.stack([mel[a : max(a + 1, b)].mean(0) for a, b in np.minimum(frames, len(mel))])
