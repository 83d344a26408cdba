"""Films to show: original, through the network and from measured BOLD side by side, with sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.timing import n_items
from giblet.validate.film import EVEN, Sound, encode, enlarged
from giblet.validate.predictions import opened_predictions
from giblet.validate.soundtracks import read_original
from giblet.validate.testset import TestSet
from giblet.validate.video import shown_frames
from giblet.validate.video_figures import PANELS, frames_of, subject_of_run

# Pixels of the finished film.
GAP = 8
BAR = 28
LETTERS = 18
WHITE = 255
Pictures = NDArray[np.uint8]


def write_triptychs(
    study: str | Path,
    predictions: str | Path,
    audio: Sequence[str | Path],
    folder: str | Path,
    *,
    runs: Sequence[str],
    seed: int,
    scale: int,
    crf: int,
) -> None:
    """Write ``{run}_triptych.mp4`` for every run with test TRs into `folder`.

    Parameters
    ----------
    audio : ``stimulus/{run}/audio.wav`` of the study's runs; none in a study without sound
    runs : runs that films are expected of
    seed : draws the subject, the one of the other films and stills
    scale, crf : see :func:`giblet.validate.film.write_film`
    """
    originals = {Path(path).parent.name: Path(path) for path in audio}
    with opened_predictions(study, predictions, runs) as (study_file, predicted, tests):
        shown = shown_frames(study_file, predicted, tests)
        rate = Fraction(shown.shape[1]) / tests.tr_s
        for run in tests.runs:
            subject = subject_of_run(study_file, tests, run, seed)
            here = shown[tests.run_name == run]
            films = [frames_of(predicted, run, source, subject, here) for source in PANELS]
            titles = [*list(PANELS.values())[:-1], f"{PANELS['from_bold']} of {subject}"]
            sound = _sound(study_file, tests, run, originals) if originals else None
            path = Path(folder) / f"{run}_triptych.mp4"
            encode(path, side_by_side(films, titles, scale), rate, crf=crf, sound=sound)


def _sound(study: h5py.File, tests: TestSet, run: str, originals: dict[str, Path]) -> Sound:
    """The film's own sound during a run's test TRs."""
    rate_hz = int(study.attrs["sample_rate_hz"])
    parts = [
        read_original(originals, run, rate_hz, *(n_items(k, tests.tr_s, rate_hz) for k in (a, b)))
        for name, a, b in tests.segments()
        if name == run
    ]
    return Sound(np.concatenate(parts), rate_hz)


def side_by_side(
    films: Sequence[Pictures], titles: Sequence[str], scale: int
) -> Iterator[Pictures]:
    """Frames of several films beside each other, enlarged, a title above each.

    Parameters
    ----------
    films : arrays of shape (n, F, H, W, 3)

    Yields
    ------
    array of shape (BAR + scale H, 3 scale W + 2 GAP, 3) for each of the n F frames, its sides even
    """
    size = enlarged(films[0][0, 0], scale).shape[:2]
    bar = np.concatenate([_title(text, size[1] + GAP) for text in titles], axis=1)[:, :-GAP]
    gap = np.full((size[0], GAP, 3), WHITE, np.uint8)
    for frames in zip(*(film.reshape(-1, *film.shape[2:]) for film in films), strict=True):
        parts = [part for frame in frames for part in (enlarged(frame, scale), gap)][:-1]
        picture = np.concatenate([bar, np.concatenate(parts, axis=1)])
        yield np.pad(picture, [(0, side % EVEN) for side in picture.shape[:2]] + [(0, 0)], "edge")


def _title(text: str, width: int) -> Pictures:
    """Black on white, as large as fits, (BAR, width, 3)."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (width, BAR), "white")
    draw = ImageDraw.Draw(picture)
    wanted = draw.textlength(text, font=ImageFont.load_default(LETTERS))
    font = ImageFont.load_default(max(6.0, LETTERS * min(1.0, (width - GAP) / max(wanted, 1))))
    draw.text((2, BAR // 2), text, fill="black", font=font, anchor="lm")
    return np.asarray(picture)
