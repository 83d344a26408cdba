"""Mutations: an anti-causal HRF and a stretched alignment must be noticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet import hrf
from giblet.align.checks import check_causal, check_clock, check_stream
from giblet.align.regressors import write_regressors
from giblet.align.study import write_study
from giblet.errors import AlignError
from giblet.timing import n_items, tr_ranges
from tests.support.stage_files import StageFiles, make_stages, split_table

SETTINGS = {"tr_s": "1.5", "delays_trs": [1, 2], "grid_height": 4, "grid_width": 4}


def regressors(made: StageFiles, out: Path) -> None:
    write_regressors(
        out,
        run="run-1",
        frames=made.frames[0],
        audio=made.audio[0],
        text=made.text[0],
        hrf="glover",
        **SETTINGS,
    )


def anti_causal(drive: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The prototype's mistake: correlation instead of convolution."""
    out = np.zeros(drive.shape)
    for lag, weight in enumerate(kernel):
        out[: len(drive) - lag] += weight * drive[lag:]
    return out


def centred(drive: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Another classic: mode="same" puts the kernel's middle on the stimulus."""
    return np.stack([np.convolve(column, kernel, mode="same") for column in drive.T], axis=1)


def advanced(drive: np.ndarray, delays_trs: list[int]) -> np.ndarray:
    """Delays of the wrong sign."""
    return np.concatenate([np.roll(drive, -delay, axis=0) for delay in delays_trs], axis=1)


def test_the_true_filter_passes(tmp_path: Path) -> None:
    regressors(make_stages(tmp_path, (60,)), tmp_path / "out.h5")
    assert (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(
    ("name", "mutant"),
    [("convolve_causal", anti_causal), ("convolve_causal", centred), ("delayed", advanced)],
)
def test_an_anti_causal_filter_stops_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, mutant: object
) -> None:
    made = make_stages(tmp_path, (60,))
    monkeypatch.setattr(hrf, name, mutant)
    with pytest.raises(AlignError, match="anti-causal response: an impulse at TR"):
        regressors(made, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def test_a_reversed_kernel_no_longer_peaks_at_five_seconds() -> None:
    impulse = np.zeros((60, 1))
    impulse[10] = 1
    kernel = hrf.hrf_kernel("glover", "1.5", duration_s=30)
    right = hrf.convolve_causal(impulse, kernel)
    wrong = hrf.convolve_causal(impulse, kernel[::-1])
    assert (np.argmax(right) - 10) * 1.5 == pytest.approx(5, abs=1)
    assert (np.argmax(wrong) - 10) * 1.5 > 20


def test_a_filter_that_answers_nothing_is_refused() -> None:
    with pytest.raises(AlignError, match="zero everywhere"):
        check_causal(np.zeros_like)


def stretched(made: StageFiles, factor: float, folder: Path) -> StageFiles:
    return make_stages(folder, (100,), stretch=factor)


@pytest.mark.parametrize("factor", [0.97, 1.03, 100 / 98])
def test_a_stretched_film_stops_both_stages(tmp_path: Path, factor: float) -> None:
    made = make_stages(tmp_path, (100,), stretch=factor)
    with pytest.raises(AlignError, match=r"frames\.h5: film time drifts by .* was stretched"):
        regressors(made, tmp_path / "out.h5")
    splits = split_table(tmp_path / "s.tsv", {"run-1": ["train"] * 100})
    with pytest.raises(AlignError, match="film time drifts"):
        write_study(tmp_path / "study.h5", splits=splits, space=made.space, **made.stimulus())
    assert not (tmp_path / "study.h5").exists()


def test_an_offset_and_a_held_picture_are_no_stretch() -> None:
    time_s = ((np.arange(300) + 0.5) * 0.5 - 12.0).reshape(100, 3)
    time_s[40:43] = time_s[40, 0]
    check_clock(time_s, time_s >= 0, "1.5", "frames.h5")


def test_codec_frames_cut_to_whole_numbers_are_noticed() -> None:
    """The prototype's 56.25 frames a TR cut to 56."""
    cut = np.stack([np.arange(50) * 56, np.arange(1, 51) * 56], axis=1)
    with pytest.raises(AlignError, match=r"a\.h5: TR 0 holds codec frames 0 to 56, at 37\.5 Hz"):
        check_stream(cut, 50 * 56, "1.5", "37.5", "a.h5")


def test_stretched_codec_frames_are_noticed() -> None:
    """Ranges spread evenly over a stream of another length."""
    edges = np.linspace(0, n_items(98, "1.5", "37.5"), 101).round().astype(np.int64)
    with pytest.raises(AlignError, match="has to hold"):
        check_stream(np.stack([edges[:-1], edges[1:]], 1), edges[-1], "1.5", "37.5", "a.h5")


def test_a_stream_of_another_length_is_noticed() -> None:
    with pytest.raises(AlignError, match=r"a\.h5: 5624 codec frames for 100 TRs, expected 5625"):
        check_stream(tr_ranges(100, "1.5", "37.5"), 5624, "1.5", "37.5", "a.h5")


@settings(max_examples=20, deadline=None)
@given(n_trs=st.integers(1, 10_000), rate=st.sampled_from(["37.5", "75", "50", "86.1328125"]))
def test_codec_frames_join_again_exactly(n_trs: int, rate: str) -> None:
    index = tr_ranges(n_trs, "1.5", rate)
    stream = np.arange(n_items(n_trs, "1.5", rate))
    check_stream(index, len(stream), "1.5", rate, "a.h5")
    joined = np.concatenate([stream[start:stop] for start, stop in index])
    assert np.array_equal(joined, stream)
