"""The linear baseline end to end: known answers, causality, and no leakage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest

from giblet.brain.drift import Drift
from giblet.errors import StoreError, TrainError
from giblet.train.baseline import train_baseline
from tests.support.caches import edited
from tests.support.regressor_files import make_regressors
from tests.support.study_files import TEST, TRAIN, PlantedStudy, make_study

SEARCH: dict[str, Any] = {
    "tr_s": "1.5",
    "seed": 0,
    "gap_s": 30,
    "n_weightings": 4,
    "n_alphas": 4,
    "min_log10_alpha": -1,
    "max_log10_alpha": 2,
    "n_folds": 3,
    "batch_voxels": 1000,
    "min_shift_s": -2,
    "max_shift_s": 2,
    "shift_step_s": 1.0,
    "decode_delays_trs": [2, 3, 4, 5],
    "decode_height": 3,
    "decode_width": 4,
}
SHIFTS = (-1.0, 0.0, 1.0)
DEAD = 2


def contents(path: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found


class Fitted:
    """A planted study, its regressors, and the baseline fitted on them."""

    def __init__(self, folder: Path, high_pass_hz: float = 0) -> None:
        self.planted: PlantedStudy = make_study(
            folder / "study.h5",
            (220, 220),
            n_voxels=60,
            gap_trs=20,
            noise=0.7,
            n_dead_voxels=DEAD,
            delay_shift_s=SHIFTS,
            high_pass_hz=high_pass_hz,
            missing=[("sub-02", "run-2")],
        )
        self.regressors = make_regressors(self.planted, folder)
        self.path = folder / "baseline.h5"
        train_baseline(self.path, study=self.planted.path, regressors=self.regressors, **SEARCH)
        self.found = contents(self.path)
        self.study = contents(self.planted.path)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return Fitted(tmp_path_factory.mktemp("fitted"))


def correlation(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    one, two = one - one.mean(0), two - two.mean(0)
    scale = np.sqrt((one**2).sum(0) * (two**2).sum(0))
    return (one * two).sum(0) / np.where(scale > 0, scale, 1)


def on_test(fitted: Fitted, name: str, subject: str, runs: tuple[str, ...]) -> Any:
    """Prediction and truth of a dataset on the test TRs of some runs."""
    predicted, truth = [], []
    for run in runs:
        test = fitted.study[f"runs/{run}/split"] == TEST
        predicted.append(fitted.found[f"{name}/{subject}/{run}"][test])
        if name == "bold":
            truth.append(fitted.study[f"runs/{run}/bold/{subject}"][test])
        elif name == "decode/text":
            truth.append(fitted.study[f"runs/{run}/text"][test])
        elif name == "decode/log_mel":
            mel = fitted.study[f"runs/{run}/audio_log_mel"].astype(float)
            index = fitted.study[f"runs/{run}/audio_index"]
            truth.append(np.stack([mel[a:b].mean(0) for a, b in index])[test])
        else:
            video = fitted.study[f"runs/{run}/video"].astype(float).mean(1)
            n = len(video)
            truth.append(video.reshape(n, 3, 4, 4, 4, 3).mean((2, 4))[test])
    predicted, truth = np.concatenate(predicted), np.concatenate(truth)
    return predicted.reshape(len(truth), -1), truth.reshape(len(truth), -1)


def test_held_out_bold_is_predicted_near_the_ceiling(fitted: Fitted) -> None:
    responds = fitted.planted.responds
    found = correlation(*on_test(fitted, "bold", "sub-01", fitted.planted.runs))
    follows = responds.any(1)
    follows[-DEAD:] = False
    assert np.median(found[follows] / fitted.planted.ceiling[follows]) > 0.7
    assert abs(np.median(found[~responds.any(1)])) < 0.15
    for modality in range(3):
        assert np.median(found[responds[:, modality]]) > 0.4


def test_delays_are_recovered(fitted: Fitted) -> None:
    follows = fitted.planted.responds.any(1)
    error = fitted.found["delay_s/sub-01"] - fitted.planted.delay_s
    assert np.median(np.abs(error[follows])) < 0.5


def test_cross_validated_scores_tell_signal_from_noise(fitted: Fitted) -> None:
    follows = fitted.planted.responds.any(1)
    scores = fitted.found["cv_r/sub-01"]
    assert np.median(scores[follows]) > np.median(scores[~follows]) + 0.2


@pytest.mark.parametrize(
    ("name", "least"), [("decode/text", 0.3), ("decode/video", 0.5), ("decode/log_mel", 0.3)]
)
def test_the_stimulus_is_decoded_from_measured_bold(
    fitted: Fitted, name: str, least: float
) -> None:
    predicted, truth = on_test(fitted, name, "sub-01", fitted.planted.runs)
    assert np.median(correlation(predicted, truth)) > least


def test_the_file_holds_what_was_agreed(fitted: Fitted) -> None:
    found, study = fitted.found, fitted.study
    with h5py.File(fitted.path) as file:
        assert file.attrs["stage"] == "train"
        assert json.loads(file.attrs["bands"]) == ["video", "audio", "text"]
    for subject, runs in (("sub-01", ("run-1", "run-2")), ("sub-02", ("run-1",))):
        for name in ("delay_s", "cv_r", "alphas"):
            assert found[f"{name}/{subject}"].shape == (60,)
            assert found[f"{name}/{subject}"].dtype == np.float32
        for run in runs:
            assert found[f"bold/{subject}/{run}"].shape == study[f"runs/{run}/bold/{subject}"].shape
            assert found[f"decode/text/{subject}/{run}"].shape == study[f"runs/{run}/text"].shape
            assert found[f"decode/video/{subject}/{run}"].shape == (220, 3, 4, 3)
            assert found[f"decode/log_mel/{subject}/{run}"].shape == (220, 10)
    assert "bold/sub-02/run-2" not in found


def test_dead_voxels_predict_nothing(fitted: Fitted) -> None:
    assert not fitted.found["bold/sub-01/run-1"][:, -DEAD:].any()
    assert np.isnan(fitted.found["delay_s/sub-01"][-DEAD:]).all()
    assert np.isfinite(fitted.found["delay_s/sub-01"][:-DEAD]).all()


def test_decoded_frames_are_pictures(fitted: Fitted) -> None:
    frames = fitted.found["decode/video/sub-01/run-1"]
    assert frames.min() >= 0
    assert frames.max() <= 255


def spoil_tests(path: Path, regressors: list[Path], runs: tuple[str, ...]) -> None:
    """Replace everything in the test TRs of the study, and what follows from it."""
    rng = np.random.default_rng(9)
    with edited(path) as file:
        for run, regressor in zip(runs, regressors, strict=True):
            group = file[f"runs/{run}"]
            test = np.flatnonzero(group["split"][:] == TEST)
            part = slice(int(test[0]), int(test[-1]) + 1)
            shape = group["video"][part].shape
            group["video"][part] = rng.integers(0, 255, size=shape, dtype=np.uint8)
            group["text"][part] = 9 * rng.normal(size=group["text"][part].shape)
            frames = slice(*(int(k) for k in group["audio_index"][part][[0, -1], [0, 1]]))
            group["audio_log_mel"][frames] = rng.normal(size=group["audio_log_mel"][frames].shape)
            for bold in group["bold"].values():
                bold[part] = 1e3 * rng.normal(size=bold[part].shape)
            with edited(regressor) as own:
                # A regressor of a TR up to 20 TRs after the test block contains it.
                reached = slice(part.start, min(part.stop + 20, len(group["split"])))
                for kind, rows in (("raw", part), ("fir", reached), ("hrf", reached)):
                    for values in own[kind].values():
                        values[rows] = 9 * rng.normal(size=values[rows].shape)


def test_nothing_of_the_test_trs_leaks_into_the_fit(fitted: Fitted, tmp_path: Path) -> None:
    """Change all test TRs: fits and everything on train stay the same bit for bit."""
    again = Fitted(tmp_path)
    assert all(
        np.array_equal(values, again.found[name], equal_nan=True)
        for name, values in fitted.found.items()
    )
    spoil_tests(again.planted.path, again.regressors, again.planted.runs)
    train_baseline(again.path, study=again.planted.path, regressors=again.regressors, **SEARCH)
    after = contents(again.path)
    changed = 0
    for name, values in fitted.found.items():
        last = name.split("/")[-1]
        if last in again.planted.runs:
            train = fitted.study[f"runs/{last}/split"] == TRAIN
            assert np.array_equal(values[train], after[name][train]), name
            changed += not np.array_equal(values, after[name])
        else:
            assert np.array_equal(values, after[name], equal_nan=True), name
    assert changed >= 10  # the test TRs did change, or this shows nothing


def test_drift_is_read_off_the_training_trs_alone(tmp_path: Path) -> None:
    """Of a high-passed study only predictions, which lose drift over the whole run, may change."""
    fitted = Fitted(tmp_path, high_pass_hz=0.01)
    spoil_tests(fitted.planted.path, fitted.regressors, fitted.planted.runs)
    train_baseline(fitted.path, study=fitted.planted.path, regressors=fitted.regressors, **SEARCH)
    after = contents(fitted.path)
    for name, values in fitted.found.items():
        if name.split("/")[-1] not in fitted.planted.runs:
            assert np.array_equal(values, after[name], equal_nan=True), name


def small(folder: Path, **changed: Any) -> tuple[PlantedStudy, list[Path]]:
    folder.mkdir(exist_ok=True)
    planted = make_study(folder / "study.h5", (80,), 1, 12, **changed)
    return planted, make_regressors(planted, folder)


def test_a_film_without_sound_and_words_still_has_a_baseline(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    planted, regressors = small(tmp_path, n_without_text=80)
    with edited(planted.path) as file:
        file["runs/run-1/audio_log_mel"][:] = np.log(1e-5)
    regressors = make_regressors(planted, tmp_path)
    train_baseline(
        tmp_path / "b.h5",
        study=planted.path,
        regressors=regressors,
        **{**SEARCH, "gap_s": 6},
    )
    said = capsys.readouterr().out
    assert "text: constant on the training TRs" in said
    assert "audio: constant on the training TRs" in said
    with h5py.File(tmp_path / "b.h5") as file:
        assert json.loads(file.attrs["bands"]) == ["video"]
        assert not file["decode/text/sub-01/run-1"][:].any()
        assert np.allclose(file["decode/log_mel/sub-01/run-1"][:], np.log(1e-5), atol=0.01)


# Bad inputs; docs/align.md lists these messages.


def test_reading_the_stimulus_from_bold_before_it(tmp_path: Path) -> None:
    planted, regressors = small(tmp_path)
    with pytest.raises(TrainError, match=r"decode_delays_trs is \[-1, 2\]: a negative delay"):
        train_baseline(
            tmp_path / "b.h5",
            study=planted.path,
            regressors=regressors,
            **{**SEARCH, "decode_delays_trs": [-1, 2]},
        )


def test_regressors_shorter_than_the_study(tmp_path: Path) -> None:
    planted, _ = small(tmp_path)
    other = make_study(tmp_path / "short.h5", (70,), 1, 12)
    (tmp_path / "short").mkdir()
    regressors = make_regressors(other, tmp_path / "short")
    with pytest.raises(TrainError, match=r"70 TRs of run-1, the study has 80"):
        train_baseline(tmp_path / "b.h5", study=planted.path, regressors=regressors, **SEARCH)


def test_study_of_another_tr(tmp_path: Path) -> None:
    planted, regressors = small(tmp_path)
    with pytest.raises(StoreError, match=r"made for a TR of 1\.5 s, the study has 2\.0 s"):
        train_baseline(
            tmp_path / "b.h5",
            study=planted.path,
            regressors=regressors,
            **{**SEARCH, "tr_s": "2.0"},
        )


def test_predictions_lose_the_drift_that_bold_has_lost(tmp_path: Path) -> None:
    planted = make_study(
        tmp_path / "study.h5", (160, 120), n_voxels=12, gap_trs=10, high_pass_hz=0.008
    )
    regressors = make_regressors(planted, tmp_path)
    drift = Drift(0.008, detrend=True)
    settings = {**SEARCH, "gap_s": 15}
    path = tmp_path / "baseline.h5"
    train_baseline(path, study=planted.path, regressors=regressors, **settings)
    found = contents(path)
    for run, n_trs in zip(planted.runs, (160, 120), strict=True):
        part = found[f"bold/sub-01/{run}"]
        part = part - part.mean(0)
        slow = drift.basis(n_trs, 1.5)
        assert part.std() > 0.1
        assert np.abs(slow.T @ part).max() < 1e-3 * np.linalg.norm(part, axis=0).max()
