"""The study file: its layout, its statistics, and nothing of the test TRs in either."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest

from giblet.align import scans as scans_module
from giblet.align import study as module
from giblet.align.regressors import write_regressors
from giblet.align.stats import Covariance, Moments
from giblet.align.study import write_study
from giblet.errors import AlignError
from giblet.timing import tr_ranges
from tests.support.caches import edited
from tests.support.stage_files import (
    StageFiles,
    audio_file,
    bold_file,
    make_stages,
    space_file,
    split_table,
)
from tests.support.study_files import make_study

# train 0-39, gap, val, gap, test: gaps as long as the response
CODES = ["train"] * 40 + ["gap"] * 20 + ["val"] * 6 + ["gap"] * 20 + ["test"] * 14
SPLITS = {"run-1": CODES, "run-2": CODES[::-1]}
SETTINGS = {"tr_s": "1.5", "hrf": "glover", "delays_trs": [1, 6], "grid_height": 3, "grid_width": 4}


def write(made: StageFiles, folder: Path, splits: dict | None = None, **changed: Any) -> Path:
    table = split_table(folder / "splits.tsv", splits or SPLITS)
    out = folder / "study.h5"
    write_study(out, splits=table, **{"space": made.space, **made.stimulus(), **changed})
    return out


def contents(path: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> StageFiles:
    return make_stages(tmp_path_factory.mktemp("stages"), without=[("sub-02", "run-2")])


@pytest.fixture(scope="module")
def study(made: StageFiles, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return contents(write(made, tmp_path_factory.mktemp("study")))


def test_layout_is_the_one_the_trainers_tests_use(
    made: StageFiles, study: dict[str, np.ndarray], tmp_path: Path
) -> None:
    make_study(tmp_path / "reference.h5", missing=[("sub-02", "run-2")])
    reference = contents(tmp_path / "reference.h5")
    assert sorted(study) == sorted(reference)
    for name, values in study.items():
        assert values.dtype == reference[name].dtype, name
        assert values.ndim == reference[name].ndim, name
    path = write(made, tmp_path)
    with h5py.File(path) as ours, h5py.File(tmp_path / "reference.h5") as theirs:
        assert set(ours.attrs) == set(theirs.attrs)
        assert json.loads(ours.attrs["subjects"]) == ["sub-01", "sub-02"]
        assert ours["runs/run-1/video"].chunks[0] == 1


def train_of(run: str) -> np.ndarray:
    return np.array([name == "train" for name in SPLITS[run]])


def test_bold_is_z_scored_with_the_subjects_own_training_trs(
    made: StageFiles, study: dict[str, np.ndarray]
) -> None:
    for subject, runs in (("sub-01", ["run-1", "run-2"]), ("sub-02", ["run-1"])):
        raw = {}
        for run in runs:
            with h5py.File(made.scans[subject, run]) as file:
                raw[run] = file["bold"][:].astype(float)
        train = np.concatenate([raw[run][train_of(run)] for run in runs])
        assert np.allclose(study[f"stats/bold/{subject}/mean"], train.mean(0), rtol=1e-6)
        assert np.allclose(study[f"stats/bold/{subject}/std"], train.std(0), rtol=1e-5)
        for run in runs:
            expected = (raw[run] - train.mean(0)) / train.std(0)
            assert np.allclose(study[f"runs/{run}/bold/{subject}"], expected, atol=1e-4)


def test_stimulus_statistics_come_from_training_trs(study: dict[str, np.ndarray]) -> None:
    video, text, latents, counts = [], [], [], np.zeros((2, 16), int)
    for run in SPLITS:
        train, index = train_of(run), study[f"runs/{run}/audio_index"]
        group = {k.split("/")[-1]: v for k, v in study.items() if k.startswith(f"runs/{run}/")}
        video.append(group["video"][train])
        text.append(group["text"][train & group["text_valid"]])
        for start, stop in index[train]:
            latents.append(group["audio_latents"][start:stop].astype(float))
            for row, codes in enumerate(group["audio_codes"][:, start:stop]):
                np.add.at(counts[row], codes, 1)
    assert np.allclose(study["stats/video/mean"], np.concatenate(video).mean(0), atol=1e-4)
    assert np.allclose(study["stats/text/mean"], np.concatenate(text).mean(0), atol=1e-6)
    assert np.allclose(study["stats/text/std"], np.concatenate(text).std(0), atol=1e-6)
    assert np.allclose(study["stats/latents/mean"], np.concatenate(latents).mean(0), atol=1e-5)
    assert np.allclose(study["stats/latents/std"], np.concatenate(latents).std(0), atol=1e-5)
    covariance = np.cov(np.concatenate(latents).T, bias=True)
    assert np.allclose(study["stats/latents/covariance"], covariance, atol=1e-5)
    assert np.array_equal(study["stats/code_counts"], counts)


def spoil_tests(made: StageFiles) -> None:
    """Replace everything in the test TRs: pictures, sound, words and BOLD."""
    rng = np.random.default_rng(99)
    for place, run in enumerate(made.runs):
        test = np.flatnonzero(np.array(SPLITS[run]) == "test")
        part = slice(int(test[0]), int(test[-1]) + 1)
        with edited(made.frames[place]) as file:
            shape = file["frames"][part].shape
            file["frames"][part] = rng.integers(0, 255, size=shape, dtype=np.uint8)
        with edited(made.audio[place]) as file:
            frames = slice(int(file["index"][part][0, 0]), int(file["index"][part][-1, 1]))
            file["latents"][frames] = 9 * rng.normal(size=file["latents"][frames].shape)
            file["log_mel"][frames] = 9 * rng.normal(size=file["log_mel"][frames].shape)
            file["codes"][:, frames] = rng.integers(16, size=file["codes"][:, frames].shape)
        with edited(made.text[place]) as file:
            file["embedding"][part] = 9 * rng.normal(size=file["embedding"][part].shape)
            file["valid"][part] = True
        for (_, name), path in made.scans.items():
            if name == run:
                with edited(path) as file:
                    file["bold"][part] = 1e4 * rng.normal(size=file["bold"][part].shape)


def test_nothing_of_the_test_trs_leaks_into_train(
    made: StageFiles, study: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """Change all test TRs: every statistic and everything on train stays, bit for bit."""
    spoiled = make_stages(tmp_path, without=[("sub-02", "run-2")])
    regressors = {}
    for state in ("before", "after"):
        if state == "after":
            spoil_tests(spoiled)
        for place, run in enumerate(made.runs):
            out = tmp_path / f"{state}_{run}.h5"
            files = {k: getattr(spoiled, k)[place] for k in ("frames", "audio", "text")}
            write_regressors(out, run=run, **files, **SETTINGS)
            regressors[state, run] = contents(out)
    after = contents(write(spoiled, tmp_path))
    changed = []
    for name, values in after.items():
        if name.startswith("stats/"):
            assert np.array_equal(values, study[name]), name
        elif name.startswith("runs/"):
            train = train_of(name.split("/")[1])
            if "audio_" in name and not name.endswith("index"):
                index = after[f"runs/{name.split('/')[1]}/audio_index"]
                train = np.repeat(train, index[:, 1] - index[:, 0])
            axis = 1 if name.endswith("codes") else 0
            one, two = (np.compress(train, x[name], axis=axis) for x in (study, after))
            assert np.array_equal(one, two), name
            changed.append(not np.array_equal(study[name], values))
    assert sum(changed) >= 11  # the test TRs did change, or this shows nothing
    for run in made.runs:
        for name, values in regressors["before", run].items():
            new = regressors["after", run][name]
            assert np.array_equal(values[train_of(run)], new[train_of(run)]), name
            assert not np.array_equal(values, new), name


def test_runs_are_cut_not_stretched(made: StageFiles, tmp_path: Path) -> None:
    short = {"run-1": CODES[:77], "run-2": CODES[::-1]}
    found = contents(write(made, tmp_path, short))
    with h5py.File(made.frames[0]) as frames, h5py.File(made.audio[0]) as audio:
        assert np.array_equal(found["runs/run-1/video"], frames["frames"][:77])
        n_frames = int(audio["index"][76, 1])
        assert np.array_equal(found["runs/run-1/audio_codes"], audio["codes"][:, :n_frames])
    assert len(found["runs/run-1/bold/sub-01"]) == 77


def test_codec_frames_join_again_over_10000_trs(tmp_path: Path) -> None:
    """TR by TR out of the study, the audio stream is what the codec wrote, to the last frame."""
    made = make_stages(
        tmp_path, (10_000,), subjects=("sub-01",), n_voxels=2, frames_per_tr=1, height=2, width=2
    )
    names = (["train"] * 50 + ["test"] * 50) * 100
    path = write(made, tmp_path, {"run-1": names})
    with h5py.File(path) as ours, h5py.File(made.audio[0]) as source:
        group = ours["runs/run-1"]
        index = group["audio_index"][:]
        assert np.array_equal(index, tr_ranges(10_000, "1.5", "37.5"))
        assert np.bincount(index[:, 1] - index[:, 0])[[56, 57]].tolist() == [7500, 2500]
        codes, latents = group["audio_codes"][:], group["audio_latents"][:]
        joined = np.concatenate([codes[:, start:stop] for start, stop in index], axis=1)
        assert np.array_equal(joined, source["codes"][:])
        joined = np.concatenate([latents[start:stop] for start, stop in index])
        assert np.array_equal(joined, source["latents"][:])
        assert joined.shape[0] == 562_500


def test_streaming_changes_nothing(
    made: StageFiles,
    study: dict[str, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 1)
    monkeypatch.setattr(scans_module, "ROWS", 7)
    found = contents(write(made, tmp_path))
    for name, values in found.items():
        assert np.allclose(values, study[name], rtol=1e-5, atol=1e-5), name


def test_memory_does_not_grow_with_the_length_of_the_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 100_000)
    peaks = []
    for n_trs in (50, 200):
        folder = tmp_path / str(n_trs)
        made = make_stages(
            folder, (n_trs,), frames_per_tr=2, height=60, width=80, subjects=("s1",), n_voxels=2
        )
        names = ["train"] * (n_trs // 2) + ["test"] * (n_trs // 2)
        tracemalloc.start()
        write(made, folder, {"run-1": names})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 0.25 * (200 - 50) * 2 * 60 * 80 * 3


def test_dead_and_nan_voxels_are_zero_and_marked(tmp_path: Path) -> None:
    made = make_stages(tmp_path)
    with h5py.File(made.scans["sub-01", "run-1"]) as file:
        bold = file["bold"][:]
    bold[:, 3] = 5.0
    bold[10, 4] = np.nan
    bold_file(made.scans["sub-01", "run-1"], bold)
    found = contents(write(made, tmp_path))
    assert np.flatnonzero(~found["stats/bold/sub-01/valid"]).tolist() == [3, 4]
    for run in made.runs:
        z = found[f"runs/{run}/bold/sub-01"]
        assert np.isfinite(z).all()
        assert not z[:, [3, 4]].any()
    assert found["stats/bold/sub-02/valid"].all()


def test_volumes_that_are_no_measurement_are_the_mean_and_count_in_no_statistic(
    tmp_path: Path,
) -> None:
    made = make_stages(tmp_path)
    clean = contents(write(made, tmp_path))
    path = made.scans["sub-01", "run-1"]
    with h5py.File(path) as file:
        bold = file["bold"][:]
    train = int(np.flatnonzero(np.array(CODES) == "train")[0])
    measured = np.ones(100, bool)
    measured[train : train + 3] = False
    bold[~measured] = 1e6
    bold_file(path, bold, measured=measured)
    found = contents(write(made, tmp_path))
    assert not found["runs/run-1/bold/sub-01"][~measured].any()
    assert found["runs/run-1/bold/sub-01"][measured].any()
    near = clean["stats/bold/sub-01/std"]
    assert (np.abs(found["stats/bold/sub-01/std"] - near) < 0.2 * near).all()


def test_moments_in_pieces_equal_numpys() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(1e4, 0.1, size=(101, 3, 2)).astype(np.float32)
    moments = Moments()
    for piece in np.split(values, [0, 13, 14, 60]):
        moments.add(piece)
    assert np.allclose(moments.mean(), values.mean(0, dtype=float))
    assert np.allclose(moments.std(), values.astype(float).std(0))


# Bad inputs; docs/align.md lists these messages.


def test_subject_without_training_trs(tmp_path: Path) -> None:
    made = make_stages(tmp_path, without=[("sub-02", "run-1")])
    splits = {"run-1": CODES, "run-2": ["test"] * 100}
    with pytest.raises(AlignError, match="sub-02 has no training TR: its runs run-2 only"):
        write(made, tmp_path, splits)


def test_subject_without_any_usable_voxel(tmp_path: Path) -> None:
    made = make_stages(tmp_path)
    bold_file(made.scans["sub-02", "run-1"], np.full((100, 12), np.nan))
    with pytest.raises(AlignError, match="sub-02: no voxel is finite and varies in runs run-1"):
        write(made, tmp_path)


def test_scan_with_another_number_of_voxels(made: StageFiles, tmp_path: Path) -> None:
    space = space_file(tmp_path / "space.h5", 13)
    with pytest.raises(AlignError, match=r"run-1\.h5: 12 voxels, brain/space\.h5 has 13"):
        write(made, tmp_path, space=space)


def test_split_table_of_other_runs(made: StageFiles, tmp_path: Path) -> None:
    with pytest.raises(AlignError, match=r"holds runs run-9, the study has run-1, run-2"):
        write(made, tmp_path, {"run-9": CODES})


def test_split_table_longer_than_the_stimulus(made: StageFiles, tmp_path: Path) -> None:
    with pytest.raises(AlignError, match=r"frames\.h5 has 100 TRs, splits\.tsv has 101"):
        write(made, tmp_path, {"run-1": [*CODES, "test"], "run-2": CODES})


def test_code_ids_beyond_the_codebook(tmp_path: Path) -> None:
    made = make_stages(tmp_path)
    with edited(made.audio[0]) as file:
        file["codes"][0, 5] = 16
    with pytest.raises(AlignError, match=r"code ids run from 0 to 16, its codebooks hold 16"):
        write(made, tmp_path)


def test_runs_encoded_with_different_codecs(tmp_path: Path) -> None:
    made = make_stages(tmp_path)
    audio_file(made.audio[1], np.random.default_rng(0), 100, codebook_size=8)
    with pytest.raises(AlignError, match="codebook_size is 8, the runs before it have 16"):
        write(made, tmp_path)


def test_covariance_of_pieces_is_that_of_the_whole() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4)) + 1e6
    covariance = Covariance()
    for piece in (values[:3], values[3:3], values[3:120], values[120:]):
        covariance.add(piece)
    assert np.allclose(covariance.value(), np.cov(values.T, bias=True), rtol=1e-6)


@pytest.mark.parametrize("gone", ["frames", "audio", "text"])
def test_nothing_is_stored_of_a_modality_that_the_study_lacks(
    made: StageFiles, tmp_path: Path, gone: str
) -> None:
    full = contents(write(made, tmp_path))
    found = contents(write(made, tmp_path, **{gone: []}))
    lost = {
        "frames": ("/video", "stats/video/mean"),
        "audio": ("/audio_", "stats/latents/", "stats/code_counts"),
        "text": ("/text", "stats/text/"),
    }[gone]
    expected = {name for name in full if not any(part in name for part in lost)}
    assert set(found) == expected
    for name in expected - {f"runs/run-{k}/stim_valid" for k in (1, 2)}:
        np.testing.assert_array_equal(found[name], full[name])
    if gone == "frames":
        assert all(found[f"runs/run-{k}/stim_valid"].all() for k in (1, 2))


def test_the_study_says_how_its_scans_were_cleaned(tmp_path: Path) -> None:
    made = make_stages(tmp_path)
    for path in made.scans.values():
        with edited(path) as file:
            file.attrs["high_pass_hz"], file.attrs["detrend"] = 0.008, True
    write(made, tmp_path)
    with h5py.File(tmp_path / "study.h5") as study:
        assert (study.attrs["high_pass_hz"], study.attrs["detrend"]) == (0.008, True)


def test_scans_cleaned_in_different_ways(tmp_path: Path) -> None:
    made = make_stages(tmp_path)
    with edited(made.scans["sub-01", "run-2"]) as file:
        file.attrs["high_pass_hz"] = 0.01
    with pytest.raises(AlignError, match=r"run-2\.h5: high_pass_hz is 0\.01, the scans before it"):
        write(made, tmp_path)
    with edited(made.scans["sub-01", "run-2"]) as file:
        del file.attrs["high_pass_hz"]
    with pytest.raises(AlignError, match=r"run-2\.h5: does not say its high_pass_hz: delete it"):
        write(made, tmp_path)
