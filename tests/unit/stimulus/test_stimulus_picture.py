"""Pictures come out as a player shows them: upright, in shape, in the colours that were meant."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.stimulus.colour import (
    BT2020,
    HLG,
    PEAK_CD_M2,
    PQ,
    TO_BT709,
    WHITE_CD_M2,
    as_bt709,
    hlg_light,
    pq_light,
    rolled_off,
)
from giblet.stimulus.picture import Turn, turn_of
from tests.support.pictures import frames_of, sides, square, turned_mp4, write_pictures

# Rows of a display matrix, and the same turn by NumPy.
QUARTERS = {
    0: (1, 0, 0, 1),
    90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    270: (0, -1, 1, 0),
}


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(sorted(QUARTERS)),
    st.sampled_from(["1", "4/3", "16/11", "12/11", "3/4", "2"]),
    st.sampled_from([(64, 48), (48, 64), (96, 32)]),
    st.sampled_from(["letterbox", "crop"]),
)
def test_a_square_stays_square(tmp_path_factory, turn, aspect, size, fit):
    aspect = Fraction(aspect)
    side = 16 if aspect >= 1 else 12
    picture = square(*size, max(2, round(side / aspect)), side)
    path = tmp_path_factory.mktemp("square") / "film.mp4"
    write_pictures(path, [picture] * 2, pix_fmt="yuv444p", sample_aspect_ratio=aspect)
    turned_mp4(path, QUARTERS[turn])
    high, wide = sides(frames_of(path, fit=fit, width=64, height=48)[0])
    # The square's sides are whole pixels of the film.
    assert abs(high - wide) <= 1 + max(high, wide) / 8


@given(st.permutations([0, 1]), st.tuples(*[st.sampled_from([-1, 1])] * 2), st.integers(1, 3))
def test_a_turn_moves_pixels_as_its_matrix_says(axes, signs, scale):
    """A pixel at (x, y) goes to (a x + c y, b x + d y), moved back into the picture."""
    a, d = (signs if axes == [0, 1] else (0, 0))[0:2]
    b, c = (0, 0) if axes == [0, 1] else signs
    numbers = np.array([a, b, 0, c, d, 0, 0, 0, 1], np.int32) * (scale << 15)
    turn = turn_of(numbers.tobytes())
    assert turn is not None
    picture = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    y, x = np.indices((2, 3))
    to_x, to_y = a * x + c * y, b * x + d * y
    expected = np.zeros((np.ptp(to_y) + 1, np.ptp(to_x) + 1, 1), np.uint8)
    expected[to_y - to_y.min(), to_x - to_x.min()] = picture
    np.testing.assert_array_equal(turn(picture), expected)


def test_no_turn_by_other_angles():
    assert turn_of(np.array([3, 1, 0, -1, 3, 0, 0, 0, 1], np.int32).tobytes()) is None
    assert turn_of(np.array([1, 0, 0, 0, 1, 0, 0, 0, 1], np.int32).tobytes()) == Turn()


@pytest.mark.parametrize(("signal", "light"), [(0, 0), (0.5081, 100), (0.5807, 203), (1, 10000)])
def test_pq_by_the_values_of_its_standard(signal, light):
    assert pq_light(np.array([signal]))[0] == pytest.approx(light, rel=2e-3, abs=1e-3)


def test_hlg_by_the_values_of_its_standard():
    """Grey at 75 % is 203 cd/m² and at 100 % the display's peak (ITU-R BT.2408)."""
    grey = np.array([[[0.75] * 3, [1.0] * 3]])
    np.testing.assert_allclose(hlg_light(grey)[0, :, 0], [WHITE_CD_M2, PEAK_CD_M2], rtol=5e-3)


def test_light_rolls_off_without_a_step_and_keeps_hues():
    light = np.linspace(0, PEAK_CD_M2 / WHITE_CD_M2, 500)[:, None] * np.array([1, 0.5, 0.2])
    bent = rolled_off(light)
    assert (np.diff(bent[:, 0]) > 0).all()
    assert np.diff(bent[:, 0]).max() == pytest.approx(np.diff(light[:, 0]).max(), rel=0.02)
    assert bent[-1, 0] == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(bent[1:, 1] / bent[1:, 0], 0.5)
    np.testing.assert_array_equal(bent[:50], light[:50])


@pytest.mark.parametrize("transfer", [1, PQ, HLG])
@pytest.mark.parametrize("primaries", sorted(TO_BT709))
def test_grey_stays_grey_whatever_the_gamut(transfer, primaries):
    grey = np.full((2, 2, 3), 30000, np.uint16)
    out = as_bt709(grey, transfer, primaries).reshape(-1, 3).astype(int)
    assert np.ptp(out) <= 1


def test_wide_colours_of_standard_range_keep_their_brightness():
    grey = np.linspace(0, 65535, 60).astype(np.uint16)[None, :, None].repeat(3, 2)
    np.testing.assert_allclose(as_bt709(grey, 1, BT2020)[0, :, 0], grey[0, :, 0] / 257, atol=1)
