"""predictions.h5 takes only what fits the study's test TRs."""

import h5py
import numpy as np
import pytest

from giblet.errors import ValidationError
from giblet.store import reading
from giblet.validate.predictions import (
    check_predictions,
    codec_index,
    decoded_sources,
    write_predictions,
)
from giblet.validate.testset import load_test_set, require_runs, shown_subject


def test_layout_is_the_one_promised(inputs):
    with reading(inputs.predictions, stage="validate") as file:
        n = len(file["runs/run-1/test_trs"])
        assert file["runs/run-1/bold/model/sub-01"].shape == (n, 80)
        assert file["runs/run-1/video/from_bold/sub-02"].shape[0] == n
        assert file["runs/run-1/video/model/shared"].dtype == np.uint8
        index = file["runs/run-1/latents_index"][:]
        assert index[0, 0] == 0
        assert (index[1:, 0] == index[:-1, 1]).all()
        assert file["runs/run-1/latents/model/shared"].shape[0] == index[-1, 1]
        assert file["runs/run-1/codes/model/shared"].shape[1] == index[-1, 1]
        assert "sub-02" not in file["runs/run-2/bold/model"]
        assert list(decoded_sources(file, "text")) == [
            ("model", ""),
            ("from_predicted", ""),
            ("from_bold", "sub-01"),
            ("from_bold", "sub-02"),
        ]


def test_codec_frames_of_test_trs_are_counted_from_the_first(inputs):
    with reading(inputs.study) as study:
        tests = load_test_set(study)
        index = codec_index(study, tests, "run-2")
        whole = study["runs/run-2/audio_index"][:][tests.trs[1]]
    np.testing.assert_array_equal(np.diff(index), np.diff(whole))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("run-1/bold/model/sub-01", np.zeros((7, 80)), r"has 7 TRs, the test part of run-1 has 30"),
        ("run-1/latents/model/shared", np.zeros((9, 8)), r"has 9 codec frames.*run-1 has 1687"),
        (
            "run-1/text/model/shared",
            np.full((30, 12), np.nan),
            r"holds 360 values that are not finite.*learning rate",
        ),
    ],
)
def test_predictions_that_do_not_fit_are_refused(inputs, tmp_path, name, values, message):
    with pytest.raises(ValidationError, match=message):
        write_predictions(
            inputs.study, tmp_path / "p.h5", [(name, values)], delay_s=np.zeros(80, np.float32)
        )
    assert not (tmp_path / "p.h5").exists()


def test_predictions_of_another_split_are_refused(inputs, tmp_path):
    with reading(inputs.study) as study:
        tests = load_test_set(study)
        with h5py.File(tmp_path / "p.h5", "w") as file:
            file["runs/run-1/test_trs"] = tests.trs[0] + 1
            with pytest.raises(ValidationError, match=r"30 test TRs of run-1.*delete it"):
                check_predictions(file, tests)


def test_run_without_test_trs_is_named(inputs):
    with reading(inputs.study) as study:
        tests = load_test_set(study)
        with pytest.raises(ValidationError, match=r"run run-9 has no test TRs \(run-1, run-2"):
            require_runs(study, tests, ["run-1", "run-9"])


def test_segments_shift_by_half_and_stay_within(inputs):
    with reading(inputs.study) as study:
        tests = load_test_set(study)
    assert list(tests.segments()) == [("run-1", 90, 120), ("run-2", 0, 30)]
    shifted = tests.shifted()
    assert (np.sort(shifted[:30]) == np.arange(30)).all()
    assert (np.abs(shifted - np.arange(60)) == 15).all()
    assert tests.of_runs(["run-2"]).lengths == [30]


def test_shown_subject_is_drawn_by_the_seed_not_the_first():
    subjects = ["a", "b", "c"]
    assert {shown_subject(subjects, seed) for seed in range(30)} == set(subjects)
    assert shown_subject(subjects, 4) == shown_subject(subjects, 4)
