"""Cleaning: what must go goes, what must stay stays, and little memory is used."""

import tracemalloc

import numpy as np
import pytest

from giblet.brain import clean as clean_module
from giblet.brain import scans
from giblet.brain.clean import clean_in_place, regressors
from giblet.brain.confounds import load_confounds
from giblet.brain.run import read_values, voxel_source
from tests.support.scans import write_image

TR_S = 1.5
N = 300
TIME = np.arange(N) * TR_S


def cleaned(signal, *, high_pass_hz=0.008, detrend=True, confounds=None):
    bold = np.array(signal, dtype=np.float32).reshape(N, -1)
    design = regressors(N, TR_S, high_pass_hz=high_pass_hz, detrend=detrend, confounds=confounds)
    return bold, clean_in_place(bold, design, detrend=detrend)


def noise(n_voxels=20, seed=0):
    return np.random.default_rng(seed).standard_normal((N, n_voxels))


def test_slow_waves_go_and_fast_ones_stay():
    # Whole half-periods in the run, as the filter's own cosines.
    slow = np.cos(np.pi * 4 * (np.arange(N) + 0.5) / N)
    fast = np.sin(2 * np.pi * 0.05 * TIME)
    bold, _ = cleaned(np.stack([1000 + 30 * slow, 1000 + 30 * fast, 1000 + 5 * TIME + fast], 1))
    assert np.abs(bold[:, 0]).max() < 1e-2
    assert bold[:, 1].std() == pytest.approx(30 * fast.std(), rel=0.03)
    assert np.corrcoef(bold[:, 1], fast)[0, 1] > 0.98
    assert np.corrcoef(bold[:, 2], fast)[0, 1] > 0.98


def test_the_cut_off_is_where_it_is_said_to_be():
    slow = np.cos(np.pi * 4 * (np.arange(N) + 0.5) / N)  # 0.0044 Hz
    kept, _ = cleaned(100 + slow, high_pass_hz=0.004)
    gone, _ = cleaned(100 + slow, high_pass_hz=0.005)
    assert kept.std() > 0.6
    assert gone.std() < 1e-4


def test_confounds_go():
    motion = np.cumsum(noise(3, seed=1), axis=0)
    signal = noise()
    bold, _ = cleaned(signal + motion @ np.full((3, 20), 5.0), confounds=motion)
    assert np.abs(np.corrcoef(bold.T, motion.T)[:20, 20:]).max() < 0.05
    alone, _ = cleaned(signal)
    r = [np.corrcoef(bold[:, v], alone[:, v])[0, 1] for v in range(20)]
    assert np.median(r) > 0.97


def test_a_slow_confound_does_not_switch_the_high_pass_off():
    slow = np.cos(np.pi * (np.arange(N) + 0.5) / N)
    drift = np.cos(np.pi * 5 * (np.arange(N) + 0.5) / N)
    bold, _ = cleaned(noise() + 50 * drift[:, None], confounds=slow[:, None])
    assert np.abs(bold.T @ drift).max() / (N / 2) < 1e-4


def test_confounds_that_repeat_each_other_count_once():
    motion = np.cumsum(noise(2, seed=1), axis=0)
    repeated = np.hstack([motion, -3 * motion, motion.sum(axis=1, keepdims=True), np.ones((N, 1))])
    once, twice = (
        regressors(N, TR_S, high_pass_hz=0.008, detrend=True, confounds=c)
        for c in (motion, repeated)
    )
    assert once.shape == twice.shape
    signal = 100 + noise()
    np.testing.assert_allclose(
        cleaned(signal, confounds=motion)[0], cleaned(signal, confounds=repeated)[0], atol=1e-5
    )


@pytest.mark.parametrize("detrend", [True, False])
def test_regressors_are_orthonormal_and_know_the_confounds(detrend):
    motion = np.cumsum(noise(3, seed=1), axis=0)
    basis = regressors(N, TR_S, high_pass_hz=0.008, detrend=detrend, confounds=motion)
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-10)
    assert basis.shape[1] == 3 + 7
    rest, _ = cleaned(motion, confounds=motion, detrend=detrend)
    assert np.ptp(rest, axis=0).max() < 1e-4


def test_equal_to_nilearn_on_the_whole_array():
    from nilearn.signal import clean

    motion = np.cumsum(noise(6, seed=1), axis=0)
    signal = 500 + noise(700) * 20
    expected = clean(
        signal, standardize=None, confounds=motion, filter="cosine", high_pass=0.008, t_r=TR_S
    )
    bold, quality = cleaned(signal, confounds=motion)
    np.testing.assert_allclose(bold, expected, atol=1e-3)
    assert quality.valid.all()


def test_nothing_to_remove_leaves_the_values():
    signal = (500 + noise()).astype(np.float32)
    bold, _ = cleaned(signal, high_pass_hz=0, detrend=False)
    np.testing.assert_array_equal(bold, signal)


def test_unusable_voxels_are_zero_and_counted(monkeypatch):
    monkeypatch.setattr(clean_module, "BLOCK_BYTES", (1, 1))  # one voxel at a time
    signal = 100 + noise(8)
    signal[17, 0] = np.nan
    signal[:, 1] = np.nan
    signal[3, 2] = np.inf
    signal[:, 3] = 0
    signal[:, 4] = 12345.678
    signal[:, 5] = 4 * np.arange(N)  # varies, until its trend is gone
    bold, quality = cleaned(signal)
    assert quality.n_nan == 3
    assert quality.n_constant == 3
    np.testing.assert_array_equal(quality.valid, [0, 0, 0, 0, 0, 0, 1, 1])
    assert not bold[:, :6].any()
    assert np.isfinite(bold).all()
    assert (bold[:, 6:].std(axis=0) > 0.5).all()


def test_cleaning_one_run_knows_nothing_of_another():
    two = [cleaned(noise(seed=k))[0] for k in (1, 2)]
    assert not np.array_equal(two[0], two[1])
    np.testing.assert_array_equal(two[0], cleaned(noise(seed=1))[0])


def test_missing_first_values_come_from_the_second_row(tmp_path):
    path = tmp_path / "confounds.tsv"
    path.write_text("trans_x\ttrans_x_derivative1\tcsf\n1.0\tn/a\t5\n2.5\t1.5\t6\n2.0\t-0.5\t7\n")
    values = load_confounds(path, ["trans_*"], first_volume=0, n_volumes=3, n_in_file=3)
    np.testing.assert_array_equal(values, [[1, 1.5], [2.5, 1.5], [2, -0.5]])


def test_confounds_of_a_file_are_cut_to_the_run(tmp_path):
    path = tmp_path / "confounds.csv"
    path.write_text("a, b\n" + "".join(f"{k}, {-k}\n" for k in range(10)))
    values = load_confounds(path, ["b"], first_volume=4, n_volumes=3, n_in_file=10)
    np.testing.assert_array_equal(values[:, 0], [-4, -5, -6])


def test_memory_stays_near_one_masked_array(tmp_path):
    """Peak of reading and cleaning: 1.5 times the run's masked array plus one chunk."""
    shape, n_volumes = (48, 48, 40), 160
    rng = np.random.default_rng(0)
    volumes = rng.integers(500, 1500, (*shape, n_volumes), dtype=np.int16)
    path = write_image(tmp_path / "bold.nii", volumes, tr_s=1.5, slope=None)
    inside = np.zeros(shape, dtype=np.uint8)
    inside[4:44, 4:44, 4:36] = 1
    mask = write_image(tmp_path / "mask.nii", inside)
    del volumes
    design = regressors(n_volumes, TR_S, high_pass_hz=0.008, detrend=True)
    scan = scans.open_scan(path)
    chunk = max(next(scan.chunks(0, n_volumes))[1].size * 8, 8 * inside.size)
    tracemalloc.start()
    source = voxel_source(scan, mask)
    values = read_values(source, 0, n_volumes)
    clean_in_place(values, design, detrend=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 1.5 * values.nbytes + chunk
