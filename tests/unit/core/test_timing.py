"""Time conversions: exact, complete and causal, however long the run."""

from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from giblet import timing
from giblet.errors import ConfigError

RATES = st.fractions(min_value=Fraction(1, 10), max_value=50_000, max_denominator=1001)
TRS = st.fractions(min_value=Fraction(1, 10), max_value=10, max_denominator=1000)


def test_floats_are_taken_at_their_decimal_form():
    assert timing.as_fraction(0.1) == Fraction(1, 10)
    assert timing.as_fraction("3/2") == timing.as_fraction(1.5) == Fraction(3, 2)


@pytest.mark.parametrize("value", ["fast", "1/0", float("nan"), None])
def test_what_is_no_number_is_refused_by_name(value):
    with pytest.raises(ConfigError, match=r"tr_s is .* not a number"):
        timing.as_fraction(value, "tr_s")


def test_codec_frames_of_ten_thousand_trs_rejoin_exactly():
    ranges = timing.tr_ranges(10_000, "1.5", "37.5")
    assert ranges[0, 0] == 0
    assert ranges[-1, 1] == timing.n_items(10_000, "1.5", "37.5") == 562_500
    assert (ranges[1:, 0] == ranges[:-1, 1]).all()
    assert set(np.diff(ranges, axis=1).ravel()) == {56, 57}


@given(n_trs=st.integers(0, 200), tr=TRS, rate=RATES)
def test_every_item_belongs_to_exactly_the_tr_its_time_falls_in(n_trs, tr, rate):
    ranges = timing.tr_ranges(n_trs, tr, rate)
    assert ranges.shape == (n_trs, 2)
    for k, (start, stop) in enumerate(ranges[:5]):
        for item in {int(start), int(stop) - 1} if stop > start else ():
            assert timing.tr_of(Fraction(item) / rate, tr) == k
    assert np.diff(ranges, axis=1).max(initial=0) <= timing.max_items_per_tr(tr, rate)


@given(tr=TRS, per_tr=st.integers(1, 16), onset=st.fractions(-20, 20))
def test_video_samples_fall_inside_their_own_tr(tr, per_tr, onset):
    times = timing.frame_times(4, tr, per_tr, onset)
    assert [timing.tr_of(t + onset, tr) for t in times] == [
        k for k in range(4) for _ in range(per_tr)
    ]


def test_film_is_truncated_to_whole_trs_never_rounded_up():
    assert timing.covered_trs("52.2", "1.5") == 34
    assert timing.covered_trs("52.2", "1.5", movie_onset_s=3) == 36
    assert timing.covered_trs("1.4", "1.5") == 0


def test_interval_touching_a_border_does_not_reach_the_next_tr():
    assert list(timing.trs_overlapping(0, 3, "1.5", 10)) == [0, 1]
    assert list(timing.trs_overlapping("2.9", "3.1", "1.5", 10)) == [1, 2]
    assert list(timing.trs_overlapping(3, 3, "1.5", 10)) == []
    assert list(timing.trs_overlapping(-5, 1, "1.5", 10)) == [0]


def test_numbers_out_of_bounds_are_refused_at_once():
    for value in ("1e12", "-1e12", "1e999999999", "9" * 5000, 10**5000, 1e300):
        with pytest.raises(ConfigError, match=r"onset is .* (\(below 1e\+12|not a number)"):
            timing.as_fraction(value, "onset")


@given(st.floats(-1e11, 1e11), st.integers(-(10**11), 10**11))
def test_all_floats_and_integers_within_the_bounds_are_read_exactly(real, whole):
    assert float(timing.as_fraction(real)) == real
    assert timing.as_fraction(whole) == timing.as_fraction(str(whole)) == whole


@given(st.text("0123456789+-./eE_nainf ", max_size=40))
def test_any_text_is_a_number_or_refused(text):
    with suppress(ConfigError):
        assert abs(timing.as_fraction(text)) < timing.LARGEST


@pytest.mark.parametrize("call", [timing.tr_of, timing.covered_trs, timing.seconds_to_trs])
@pytest.mark.parametrize("tr_s", [0, "-1.5", "61", 1e-6])
def test_a_tr_that_no_scanner_has_is_refused(call, tr_s):
    with pytest.raises(ConfigError, match=r"tr_s is .* from 0\.01 to 60"):
        call(10, tr_s)
