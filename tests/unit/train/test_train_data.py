"""Windows of the study: what is read, what is hidden, and in which order."""

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.errors import TrainError
from giblet.train.data import GAP, SPLITS, open_study
from giblet.train.windows import Window, drawn_subjects, drawn_windows, tiles
from tests.support.caches import edited
from tests.support.study_files import make_study


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "study.h5"
    make_study(path, (60, 70), missing=[("sub-02", "run-1")], n_without_film=5, backbone_dim=3)
    return path


@pytest.fixture(scope="module")
def study(path):
    with open_study(path) as opened:
        yield opened


def read(study, window, **changes):
    how = {"length": window.stop - window.start, "context": 0, "follow": 0, "subjects": [0, 1],
           "split": None} | changes  # fmt: skip
    return study.batch([window], **how)


def test_window_holds_what_the_file_holds(study, path):
    batch = read(study, Window(0, 10, 20))
    with h5py.File(path) as file:
        group = file["runs/run-1"]
        np.testing.assert_array_equal(batch.stimulus.video[0], group["video"][10:20])
        np.testing.assert_array_equal(batch.stimulus.text[0], group["text"][10:20])
        np.testing.assert_array_equal(
            batch.stimulus.video_embedding[0], group["video_embedding"][10:20]
        )
        np.testing.assert_array_equal(batch.bold[0, 0], group["bold/sub-01"][10:20])


def test_codec_frames_of_the_trs_join_to_the_stream(study, path):
    batch = read(study, Window(0, 0, 60))
    mask = batch.stimulus.audio_mask[0]
    assert set(mask.sum(1).tolist()) == {56, 57}
    with h5py.File(path) as file:
        group, stats = file["runs/run-1"], file["stats/latents"]
        np.testing.assert_array_equal(batch.stimulus.codes[0][mask].T, group["audio_codes"][:])
        whitened = (group["audio_latents"][:].astype(np.float32) - stats["mean"]) / stats["std"]
        np.testing.assert_allclose(batch.stimulus.latents[0][mask], whitened, rtol=1e-5)


def test_outside_the_run_there_is_nothing(study):
    batch = read(study, Window(0, 0, 5), length=8, context=4, follow=3)
    assert batch.stimulus.valid[0].tolist() == [False] * 4 + [True] * 8
    assert not batch.stimulus.video[0, :4].any()
    assert batch.target[0].tolist() == [True] * 5 + [False] * 3
    tail = read(study, Window(0, 55, 60), length=5, follow=6)
    assert tail.bold[0, 0, :5].any()
    assert not tail.bold[0, 0, 5:].any()


def test_missing_scan_is_marked(study):
    batch = read(study, Window(0, 10, 12))
    assert batch.bold_valid[:, 0].tolist() == [True, False]
    assert not batch.bold[1].any()


def test_trs_without_film_are_invalid_and_count_for_nothing(study):
    batch = read(study, Window(1, 60, 70))
    assert batch.stimulus.valid[0].tolist() == [True] * 5 + [False] * 5
    assert batch.target[0].tolist() == [True] * 5 + [False] * 5
    assert not batch.stimulus.latents[0, 5:].any()


@pytest.mark.parametrize("split", ["train", "val"])
def test_training_windows_see_their_split_and_gaps_only(study, split):
    for window in tiles(study.segments(split), 12):
        run = study.runs[window.run]
        batch = read(study, window, length=12, context=20, follow=8, split=split)
        trs = np.arange(window.start - 20, window.start + 12)
        inside = (trs >= 0) & (trs < run.n_trs)
        code = np.where(inside, run.split[np.clip(trs, 0, run.n_trs - 1)], 99)
        hidden = ~np.isin(code, [SPLITS[split], GAP])
        assert not batch.stimulus.valid[0][torch.from_numpy(hidden)].any()
        assert not batch.stimulus.video[0][torch.from_numpy(hidden)].any()
        later = np.arange(window.start, window.start + 20)
        code = np.where(later < run.n_trs, run.split[np.clip(later, 0, run.n_trs - 1)], 99)
        hidden = ~np.isin(code, [SPLITS[split], GAP])
        assert not batch.bold[:, 0][:, torch.from_numpy(hidden)].any()


def test_segments_cover_each_split_once(study):
    for split, code in SPLITS.items():
        found = np.zeros(2 * 100)
        for part in study.segments(split):
            found[part.run * 100 + part.start : part.run * 100 + part.stop] += 1
        expected = np.concatenate([np.pad(r.split == code, (0, 100 - r.n_trs)) for r in study.runs])
        np.testing.assert_array_equal(found, expected)


def test_no_validation_tr_is_named(tmp_path):
    path = tmp_path / "study.h5"
    make_study(path, (40,), n_voxels=8)
    with edited(path) as file:
        split = file["runs/run-1/split"][:]
        file["runs/run-1/split"][:] = np.where(split == 1, -1, split)
    with open_study(path) as study, pytest.raises(TrainError, match="split 'val': give a run"):
        study.segments("val")


SEGMENTS = st.lists(st.integers(1, 60), min_size=1, max_size=5).map(
    lambda lengths: [Window(k, 5, 5 + n) for k, n in enumerate(lengths)]
)


@settings(max_examples=100, deadline=None)
@given(SEGMENTS, st.integers(1, 40), st.integers(1, 6), st.integers(0, 5), st.integers(0, 1000))
def test_drawn_windows_stay_inside_their_segment(segments, length, n, seed, step):
    drawn = drawn_windows(segments, length, n, seed=seed, step=step)
    assert len(drawn) == n
    for window in drawn:
        part = segments[window.run]
        assert part.start <= window.start < window.stop <= part.stop
        assert window.stop - window.start == min(length, part.stop - part.start)
    assert drawn == drawn_windows(segments, length, n, seed=seed, step=step)


def test_every_tr_is_drawn_about_equally_often():
    segments = [Window(0, 0, 100), Window(1, 0, 40)]
    count = np.zeros((2, 100))
    for step in range(2000):
        for window in drawn_windows(segments, 20, 2, seed=0, step=step):
            count[window.run, window.start : window.stop] += 1
    inner = np.concatenate([count[0, 20:80], count[1, 19:21]])
    assert inner.max() < 1.7 * inner.min()
    assert count[0, 0] > 0.3 * inner.mean()
    assert (count[1, 40:] == 0).all()


def test_steps_differ_in_windows_and_subjects():
    segments = [Window(0, 0, 200)]
    assert len({str(drawn_windows(segments, 20, 2, seed=0, step=s)) for s in range(20)}) == 20
    drawn = [drawn_subjects(10, 3, seed=0, step=step) for step in range(50)]
    assert {number for part in drawn for number in part} == set(range(10))
    assert all(len(set(part)) == 3 for part in drawn)
    assert drawn_subjects(4, 0, seed=0, step=1) == [0, 1, 2, 3]


@settings(max_examples=50)
@given(SEGMENTS, st.integers(1, 70))
def test_tiles_cover_segments_once_in_order(segments, length):
    covered = [(w.run, tr) for w in tiles(segments, length) for tr in range(w.start, w.stop)]
    assert covered == [(w.run, tr) for w in segments for tr in range(w.start, w.stop)]
