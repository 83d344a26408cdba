"""The report: one HTML file that opens anywhere, without a network and for years."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from giblet.errors import ValidationError
from giblet.store import replacing
from giblet.validate.report import figures, provenance, summary, truth
from giblet.validate.report.citations import bibliography
from giblet.validate.report.examples import sentences
from giblet.validate.report.files import Files
from giblet.validate.report.media import Budget
from giblet.validate.report.media_plan import MediaPlan, left_out, plan
from giblet.validate.report.methods import methods
from giblet.validate.report.opening import opening
from giblet.validate.report.score_tables import (
    level_table,
    partition_table,
    said_table,
    score_table,
    subject_table,
    text_region_table,
)
from giblet.validate.report.single import single_table
from giblet.validate.report.study import Study, load
from giblet.validate.report.templating import render
from giblet.validate.report.words import MODALITY_NAMES, STIMULUS_MODALITIES

# Bytes of words and tags around one picture, sound or film, at most.
AROUND_MEDIA = 1000
# Warnings about inputs that the page lists; the logs have all of them.
MOST_NOTICES = 50
MEGABYTE = 1_000_000


def build_report(
    html: str | Path,
    paths: Sequence[str | Path],
    *,
    notices: Sequence[str] = (),
    settings_json: str,
    modalities: Sequence[str] = STIMULUS_MODALITIES,
    clip_s: float,
    n_media_runs: int,
    n_sentences: int,
    audio_format: str,
    max_mb: float,
) -> None:
    """Write the report.

    Parameters
    ----------
    html
        File to write, ``results/{dataset}/validate/report/index.html``.
    paths
        The declared input files below ``results/{dataset}``; docs/report.md says which are used.
    notices
        What the tables and the jobs had to say of the study's inputs (:mod:`giblet.notices`).
    settings_json
        The whole configuration of the run, as JSON.
    modalities
        What the study has of video, audio and text.
    clip_s, n_media_runs, n_sentences, audio_format, max_mb
        Settings of ``validate/report``, see its schema.

    Raises
    ------
    ValidationError
        If a table is missing or unreadable, or the page would be larger than `max_mb`.
    """
    config = json.loads(settings_json)
    config["modalities"] = list(modalities)
    files = Files(Path(html).parents[2], paths)
    study = load(files, model=config["model"]["name"], modalities=modalities)
    runs = list(dict.fromkeys(study.splits["run"]))
    held_out = study.splits.loc[study.splits["split"] == "test", "run"]
    shown = list(dict.fromkeys(held_out))[:n_media_runs]
    context = {
        "notices": notices,
        "most_notices": MOST_NOTICES,
        "examples": sentences(study, n_sentences, int(config.get("seed", 0))),
        "said": said_table(study, n_sentences, int(config.get("seed", 0))),
        **_about(study, config, runs),
        **_results(study),
    }
    bare = len(render(media=MediaPlan(), left_out=[], **context).encode("utf-8"))
    budget = Budget(int(max_mb * MEGABYTE) - bare - AROUND_MEDIA * len(paths))
    media = plan(study, shown, budget, clip_s=clip_s, audio_format=audio_format)
    page = render(media=media, left_out=left_out(media), **context)
    data = page.encode("utf-8")
    if len(data) > max_mb * MEGABYTE:
        raise ValidationError(
            f"{html}: the report would be {len(data) / MEGABYTE:.1f} MB, "
            f"validate/report/max_mb allows {max_mb:g}: raise it, or lower n_media_runs or clip_s"
        )
    with replacing(html) as partial:
        partial.write_bytes(data)


def _about(study: Study, config: dict[str, Any], runs: list[str]) -> dict[str, Any]:
    """What was run, with what, and how to run it again."""
    scored = {name for scores in study.scores.values() for name in scores.metrics}
    paragraphs, cited = methods(config, scored)
    counts = provenance.split_counts(study.splits)
    unseen = config.get("train", {}).get("unseen_subjects", [])
    subjects = [] if study.voxels is None else list(study.voxels.of_subject)
    return {
        "config": config,
        "dataset": config["dataset"],
        "model_name": config["model"]["name"],
        "tr_s": config["tr_s"],
        "runs": runs,
        "subjects": subjects,
        "unseen": unseen,
        "unseen_scores": summary.unseen(study, unseen),
        "splits": counts,
        "voxels": study.voxels,
        "simulated": study.simulated,
        "training": _scalars(study.training),
        "has_baseline": study.files.get("train/ridge/baseline.h5") is not None,
        "methods": paragraphs,
        "bibtex": bibliography(cited),
        "versions": provenance.versions(),
        "other_versions": provenance.other_versions(study.files),
        "sources": provenance.sources(study.files),
        "report_code": provenance.report_code(),
        "checkout": provenance.checkout(),
        "config_yaml": provenance.as_yaml(config),
    }


def _scalars(values: dict[str, Any]) -> dict[str, str]:
    """The plain numbers and words of a JSON file, for a small table."""
    out = {}
    for name, value in values.items():
        if name == "seeds":
            out[name] = ", ".join(map(str, value))
        elif isinstance(value, bool | int | str):
            out[name] = f"{value:,}" if type(value) is int else str(value)
        elif isinstance(value, float):
            out[name] = f"{value:.4g}"
    return out


def _results(study: Study) -> dict[str, Any]:
    """Verdicts, tables and charts."""
    return {
        "opening": opening(study),
        "summary_rows": summary.rows(study),
        "failures": summary.failures(study),
        "verdicts": {name: summary.verdicts(study, name) for name in study.scores},
        "truth": truth.truth(study),
        "ceilings": summary.ceilings(study),
        "speech": summary.speech(study),
        "modalities": [(name, MODALITY_NAMES[name]) for name in study.scores],
        "modality_names": MODALITY_NAMES,
        "absent": [MODALITY_NAMES[name].lower() for name in study.absent],
        "tables": {name: score_table(study, name) for name in study.scores},
        "subject_tables": {name: subject_table(study.scores[name], name) for name in study.scores},
        "charts": {name: figures.headline_charts(study, name) for name in study.scores},
        "region_chart": figures.region_chart(study),
        "region_table": level_table(study, "regions", "region"),
        "partition_table": partition_table(study),
        "text_regions": text_region_table(study),
        "run_table": level_table(study, "runs", "run"),
        "histograms": figures.voxel_histograms(study),
        "loss_charts": figures.loss_charts(study),
        "single_table": single_table(study),
    }
