"""The packaged codec on a real recording, which never entered its training."""

from __future__ import annotations

import re

import pytest

from giblet.features.codec import Codec
from giblet.features.codec_quality import quality
from giblet.features.weights import CODECS
from tests.support.real import real_file


def test_the_model_card_states_what_is_measured() -> None:
    import soundfile
    import soxr

    samples, rate_hz = soundfile.read(real_file("speech_jfk.flac"), dtype="float32")
    speech = soxr.resample(samples.mean(axis=1), rate_hz, 12000)
    found = quality(Codec.load("giblet-12khz", 12000, 8, 3.0), speech)
    card = (CODECS / "giblet-12khz" / "README.md").read_text()
    cells = r"\| ([\d.]+) \| [\d.]+ \| (-?[\d.]+) \| ([\d.]+) \|"
    row = re.search(r"^\| real speech \(.*?" + cells, card, re.M)
    assert row is not None
    stated = [float(value) for value in row.groups()]
    assert found["stoi"] == pytest.approx(stated[0], abs=0.01)
    assert found["si_sdr_db"] == pytest.approx(stated[1], abs=2)
    assert found["log_mel_db"] == pytest.approx(stated[2], abs=0.2)
    assert min(found["codes_used"]) > 100
