"""Films and stills of the decoded frames, beside the frames shown.

Which stills: the best, median and worst TRs by the SSIM of what was decoded from measured
BOLD, and random ones; the subject and the random TRs are drawn by the seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.results import read_made_table
from giblet.validate.figures import COLOURS, figure
from giblet.validate.film import write_film
from giblet.validate.predictions import SHARED, opened_predictions
from giblet.validate.table import write_table
from giblet.validate.testset import TestSet, runs_of, shown_subject
from giblet.validate.video import shown_frames
from giblet.validate.video_strips import draw_strip, strip_places

KINDS = ("best", "median", "worst", "random")
FILMS = ("original", "model", "from_bold", "from_predicted")
PANELS = {
    "original": "shown",
    "model": "film through the whole network",
    "from_bold": "from measured BOLD",
}
# Rows of the strips.
STRIPS = {
    "original": "shown",
    "model": "through the\nnetwork",
    "from_predicted": "from predicted\nBOLD",
    "from_bold": "from measured\nBOLD",
}


@dataclass(frozen=True)
class Example:
    """One still: its kind, number, and place among the test TRs."""

    kind: str
    number: int
    place: int

    @property
    def file(self) -> str:
        """Name of its PNG."""
        return f"frames_{self.kind}_{self.number}.png"


def draw_video(
    study: str | Path,
    predictions: str | Path,
    trs: str | Path,
    folder: str | Path,
    *,
    runs: Sequence[str],
    seed: int,
    dpi: int,
    n_examples: int,
    n_strip: int,
    scale: int,
    crf: int,
) -> None:
    """Write films, strips, stills, ``examples.tsv`` and ``scores.png`` into `folder`.

    Parameters
    ----------
    trs : ``video/trs.tsv``, scores of every TR
    runs : runs that films are expected of
    n_examples : stills of each kind
    n_strip : moments in each strip
    scale : enlargement of the films
    crf : quality of the films, see :func:`giblet.validate.film.write_film`
    """
    folder = Path(folder)
    scores = read_made_table(trs, keep_default_na=False, na_values={"ssim": [""]})
    with opened_predictions(study, predictions, runs) as (study_file, predicted, tests):
        shown = shown_frames(study_file, predicted, tests)
        rate = Fraction(shown.shape[1]) / tests.tr_s
        for run in tests.runs:
            here = tests.run_name == run
            subject = subject_of_run(study_file, tests, run, seed)
            places = strip_places(int(here.sum()), n_strip)
            rows_of_strip = {}
            for source in FILMS:
                frames = frames_of(predicted, run, source, subject, shown[here])
                flat = frames.reshape(-1, *frames.shape[2:])
                write_film(folder / f"{run}_{source}.mp4", flat, rate, scale=scale, crf=crf)
                rows_of_strip[STRIPS[source]] = frames[places]
            rows_of_strip = {name: rows_of_strip[name] for name in STRIPS.values()}
            seconds = tests.time_s[here][places]
            draw_strip(rows_of_strip, seconds, folder / f"{run}_strip.png", dpi)
        subjects = {run: subject_of_run(study_file, tests, run, seed) for run in tests.runs}
        ssim = from_bold_ssim(scores, tests, subjects)
        rows = []
        for example in choose_examples(ssim, n_examples, seed):
            run, tr = str(tests.run_name[example.place]), int(tests.tr[example.place])
            within = int(np.flatnonzero(tests.trs[tests.runs.index(run)] == tr)[0])
            one = {
                source: _one(predicted, run, source, subjects[run], shown[example.place], within)
                for source in PANELS
            }
            title = f"{example.kind} {example.number}: {run}, {float(tr * tests.tr_s):.1f} s"
            title += f", SSIM from BOLD {ssim[example.place]:.2f} ({subjects[run]})"
            _draw_still(one, title, folder / example.file, dpi)
            rows.append(
                {
                    "file": example.file,
                    "kind": example.kind,
                    "run": run,
                    "tr": tr,
                    "start_s": float(tr * tests.tr_s),
                    "subject": subjects[run],
                    "ssim": float(ssim[example.place]),
                }
            )
        write_table(folder / "examples.tsv", rows)
        _draw_scores(scores, tests, folder / "scores.png", dpi)


def subject_of_run(study: h5py.File, tests: TestSet, run: str, seed: int) -> str:
    """The subject shown for a run, drawn by the seed among those scanned in it."""
    scanned = [subject for subject in tests.subjects if run in runs_of(study, subject)]
    if not scanned:
        raise ValidationError(
            f"{study.filename}: no subject was scanned in {run}, nothing can be decoded from "
            "measured BOLD: take it out of the runs that test"
        )
    return shown_subject(scanned, seed)


def frames_of(
    predicted: h5py.File, run: str, source: str, subject: str, shown: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Frames of a source in a run's test TRs, shape (n, Fo, H, W, 3)."""
    if source == "original":
        return shown
    who = subject if source == "from_bold" else SHARED
    return np.asarray(predicted[f"runs/{run}/video/{source}/{who}"][:])


def _one(
    predicted: h5py.File,
    run: str,
    source: str,
    subject: str,
    shown: NDArray[np.uint8],
    within: int,
) -> NDArray[np.uint8]:
    """The frames of one TR, shape (Fo, H, W, 3); `within` counts the run's test TRs."""
    if source == "original":
        return shown
    who = subject if source == "from_bold" else SHARED
    return np.asarray(predicted[f"runs/{run}/video/{source}/{who}"][within])


def from_bold_ssim(
    scores: pd.DataFrame, tests: TestSet, subjects: Mapping[str, str]
) -> NDArray[np.float64]:
    """SSIM of each test TR decoded from the shown subject's BOLD, shape (n,)."""
    mine = scores[scores["source"] == "from_bold"]
    mine = mine[mine["subject"] == mine["run"].map(subjects)]
    known = mine.set_index(["run", "tr"])["ssim"].astype(float)
    return np.array(
        [known.get((run, tr), np.nan) for run, tr in zip(tests.run_name, tests.tr, strict=True)]
    )


def choose_examples(ssim: NDArray[np.float64], n_examples: int, seed: int) -> list[Example]:
    """TRs to show of each kind; fewer TRs than examples are shown more than once.

    Parameters
    ----------
    ssim : array of shape (n,)
    """
    order = np.argsort(np.where(np.isfinite(ssim), ssim, np.inf))
    order = order[: max(1, int(np.isfinite(ssim).sum()))]
    middle = len(order) // 2 - n_examples // 2
    rng = np.random.default_rng(seed)
    picked: dict[str, Any] = {
        "best": order[::-1],
        "median": np.roll(order, -max(0, middle)),
        "worst": order,
        "random": rng.permutation(len(ssim)),
    }
    return [
        Example(kind, number + 1, int(picked[kind][number % len(picked[kind])]))
        for kind in KINDS
        for number in range(n_examples)
    ]


def _draw_still(frames: Mapping[str, NDArray[np.uint8]], title: str, path: Path, dpi: int) -> None:
    """The middle frame of a TR from each source, side by side."""
    with figure(path, dpi, ncols=len(frames), figsize=(3 * len(frames), 2.1)) as (fig, axes):
        for axis, (source, pictures) in zip(axes, frames.items(), strict=True):
            axis.imshow(pictures[len(pictures) // 2])
            axis.set_title(PANELS[source], fontsize=8)
            axis.set_axis_off()
        fig.suptitle(title, fontsize=8)


def _draw_scores(scores: pd.DataFrame, tests: TestSet, path: Path, dpi: int) -> None:
    """SSIM along time for each source, mean over subjects."""
    sources = ["model", "from_predicted", "from_bold", "ridge", "floor_mean", "floor_nearest"]
    kwargs: dict[str, Any] = {"nrows": len(tests.runs), "squeeze": False, "sharey": True}
    with figure(path, dpi, figsize=(9, 2 * len(tests.runs)), **kwargs) as (_, axes):
        for axis, run in zip(axes[:, 0], tests.runs, strict=True):
            here = scores[scores["run"] == run]
            for source in sources:
                line = here[here["source"] == source].groupby("tr")["ssim"].mean()
                seconds = line.index.to_numpy() * float(tests.tr_s)
                axis.plot(seconds, line, ".", ms=3, color=COLOURS[source], label=source)
            axis.set(ylabel="SSIM", title=run)
        axes[-1, 0].set_xlabel("seconds of scanner time")
        axes[0, 0].legend(fontsize=6, ncols=3)
