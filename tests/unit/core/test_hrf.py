"""Responses: causal, normalised, and equal to nilearn's where it has them."""

import numpy as np
import pytest

from giblet import hrf
from giblet.errors import ConfigError


@pytest.mark.parametrize("kind", hrf.KINDS)
def test_kernels_sum_to_one(kind):
    kernel = hrf.hrf_kernel(kind, "1.5")
    assert kernel.sum() == pytest.approx(1)
    assert len(kernel) == 22


@pytest.mark.parametrize("kind", ["glover", "spm"])
def test_kernel_matches_nilearns_convolution_of_a_block(kind):
    from nilearn.glm.first_level import compute_regressor

    tr, n = 2.0, 40
    drive = np.zeros((n, 1))
    drive[5] = 1
    ours = hrf.convolve_causal(drive, hrf.hrf_kernel(kind, tr))[:, 0]
    mid_volume = np.arange(n) * tr + tr / 2
    theirs, _ = compute_regressor(np.array([[10.0], [tr], [1.0]]), kind, mid_volume)
    assert np.corrcoef(ours, theirs[:, 0])[0, 1] > 0.995


@pytest.mark.parametrize("kind", ["glover", "spm", "shift"])
def test_shifting_moves_the_response_by_that_many_seconds(kind):
    tr = 0.5
    times = np.arange(64) * tr
    peaks = {}
    for shift in (-1.5, 0.0, 2.0):
        kernel = hrf.hrf_kernel(kind, tr, shift_s=shift)
        peaks[shift] = times[kernel.argmax()]
    assert peaks[2.0] - peaks[0.0] == pytest.approx(2.0, abs=tr)
    assert peaks[-1.5] - peaks[0.0] == pytest.approx(-1.5, abs=tr)


@pytest.mark.parametrize("kind", hrf.KINDS)
def test_nothing_precedes_the_stimulus(kind):
    drive = np.zeros((60, 1))
    drive[20] = 1
    response = hrf.convolve_causal(drive, hrf.hrf_kernel(kind, 1.5))
    assert not response[:20].any()
    assert response[20:].any()


def test_peak_comes_about_five_seconds_after_the_stimulus():
    kernel = hrf.hrf_kernel("glover", 0.1, duration_s=32)
    assert kernel.argmax() * 0.1 == pytest.approx(5.0, abs=0.3)


def test_delays_shift_forward_and_start_from_rest():
    drive = np.arange(1.0, 6.0)[:, None]
    design = hrf.delayed(drive, [0, 2])
    assert design[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert design[:, 1].tolist() == [0, 0, 1, 2, 3]


def test_a_response_before_its_stimulus_is_refused():
    with pytest.raises(ConfigError, match="before the stimulus"):
        hrf.delayed(np.zeros((3, 1)), [-1])


def test_unknown_response_is_refused():
    with pytest.raises(ConfigError, match="unknown HRF 'canonical'"):
        hrf.hrf_kernel("canonical", 1.5)


def test_shapes_change_width_and_undershoot_and_nothing_else():
    glover, spm = (hrf.hrf_kernel(kind, 0.5) for kind in ("glover", "spm"))
    wider, undershoot = hrf.shape_kernels(0.5)
    np.testing.assert_allclose([wider.sum(), undershoot.sum()], 0, atol=1e-12)
    np.testing.assert_allclose(glover + undershoot, spm)

    def width(kernel):
        return (kernel > kernel.max() / 2).sum() * 0.5

    assert width(glover - 0.4 * wider) < width(glover) < width(glover + 0.4 * wider)


def test_shapes_move_with_the_delay():
    now, later = (hrf.shape_kernels(0.5, shift_s=shift, duration_s=40) for shift in (0, 3))
    np.testing.assert_allclose(later[:, 6:60], now[:, :54], atol=1e-4)
