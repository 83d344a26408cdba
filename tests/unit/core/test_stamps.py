"""Stamps: agree with what made a result, and say what differs."""

from fractions import Fraction

import pytest

from giblet import stamps

PARAMS = {"width": 160, "tr_s": Fraction(3, 2), "delays": [1, 2], "code": "abc"}


def test_same_params_agree_after_a_trip_through_json(tmp_path):
    stamps.write_stamp(tmp_path / "x.h5", "stimulus_video", PARAMS)
    assert stamps.difference(tmp_path / "x.h5", dict(reversed(PARAMS.items()))) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 320}, "width = 160, now it is 320"),
        ({"code": "def"}, "another version of giblet's code"),
        ({"height": 90}, "height = None, now it is 90"),
    ],
)
def test_differences_are_named(tmp_path, change, message):
    stamps.write_stamp(tmp_path / "x.h5", "stimulus_video", PARAMS)
    assert message in stamps.difference(tmp_path / "x.h5", {**PARAMS, **change})


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", "{}", '{"params": "x"}', '{"params": 1}', "[" * 99999]
)
def test_missing_or_damaged_stamp_is_no_agreement(tmp_path, text):
    if text is not None:
        stamps.stamp_path(tmp_path / "x.h5").write_text(text)
    assert "no record" in stamps.difference(tmp_path / "x.h5", PARAMS)
