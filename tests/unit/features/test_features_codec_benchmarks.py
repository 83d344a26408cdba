"""The benchmarks of the codec count what they say they count."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from tests.unit.features.conftest import noise

ROOT = Path(__file__).resolve().parents[3]


def benchmark(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_bits_are_counted_in_the_file_with_the_padded_frame() -> None:
    """11 TRs of 1.49 s are 196,680 samples, 614.625 frames: 615 are written, 80 bits each."""
    codes, bits_per_s = benchmark("codec_rate").written_codes(noise(200_000), "giblet-12khz", 12000)
    assert codes.shape == (8, 615)
    assert bits_per_s == pytest.approx(615 * 80 / 16.39)


def test_held_out_sound_is_as_long_as_asked_and_not_that_of_training() -> None:
    module = benchmark("codec_rate")
    sound = module.held_out(12000, 0.25, module.HELD_OUT_SEED)
    assert len(sound) == pytest.approx(15 * 12000, rel=0.01)
    assert module.HELD_OUT_SEED != module.TRAINING_SEED
    assert np.isfinite(sound).all()


def test_a_dead_codebook_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    module = benchmark("codec_rate")
    codes = np.random.default_rng(0).integers(0, 1024, (3, 50_000)).astype(np.int16)
    assert module.report("all in use", codes, 300)
    codes[1] = 7
    assert not module.report("one dead", codes, 300)
    row = capsys.readouterr().out.splitlines()[-2]
    assert row.split() == ["2", "1", "1.0", "below", "300"]


def test_noise_is_written_to_the_sample(tmp_path: Path) -> None:
    benchmark("codec_stream").write_noise(tmp_path / "noise.wav", 1.25, 8000)
    assert soundfile.info(tmp_path / "noise.wav").frames == 75 * 8000
