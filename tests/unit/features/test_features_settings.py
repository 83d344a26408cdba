"""Schema, demo settings and fingerprints of weights."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from giblet import config as giblet_config
from giblet.features.audio import extract_audio
from giblet.features.bakeoff import benchmark_codecs
from giblet.features.bakeoff_methods import Settings
from giblet.features.codec_run import train_codec
from giblet.features.text import extract_text
from giblet.features.video import extract_video
from giblet.features.weights import weights_fingerprint

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = yaml.safe_load((ROOT / "config/schemas/features.schema.yaml").read_text())


def completed(settings: dict[str, Any]) -> dict[str, Any]:
    return giblet_config.complete(settings, SCHEMA)


def test_the_schema_is_valid_and_every_key_explained() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for block in SCHEMA["properties"].values():
        for name, leaf in block["properties"].items():
            assert {"type", "default", "description"} <= set(leaf), name


def test_the_demo_settings_fit() -> None:
    demo = yaml.safe_load((ROOT / "config/config.yaml").read_text())["features"]
    assert completed(demo)["audio"]["n_codebooks"] == 8


@pytest.mark.parametrize(
    ("block", "call", "given"),
    [
        ("audio", extract_audio, {"audio", "out", "run", "tr_s"}),
        ("text", extract_text, {"text", "out", "run", "tr_s"}),
        ("video", extract_video, {"frames", "out", "run", "tr_s"}),
        ("train_codec", train_codec, {"out", "n_threads"}),
    ],
)
def test_each_block_is_what_its_function_takes(
    block: str, call: Callable[..., None], given: set[str]
) -> None:
    parameters = inspect.signature(call).parameters
    assert set(completed({})[block]) == set(parameters) - given
    for name, value in completed({})[block].items():
        default = parameters[name].default
        # bandwidth and codebooks have a default in the configuration only.
        if default not in (inspect.Parameter.empty, None):
            assert default == value, name


def test_the_bake_off_takes_its_block() -> None:
    parameters = inspect.signature(benchmark_codecs).parameters
    entering = {field.name for field in dataclasses.fields(Settings)}
    study = {"runs", "tr_s", "folder", "audio", "text", "entering", "seed"}
    own = {"sample_rate_hz", "codec", "n_codebooks", "bandwidth_kbps", "revision"}
    assert set(completed({})["benchmark_codecs"]) == (set(parameters) | entering) - study - own


def test_a_backbone_of_no_kind_is_refused_by_the_schema() -> None:
    with pytest.raises(giblet_config.ConfigError, match=r"video/backbone.*does not match"):
        completed({"video": {"backbone": "resnet18"}})


def test_weights_are_told_apart_by_content(tmp_path: Path) -> None:
    assert weights_fingerprint("facebook/encodec_24khz") == ""
    assert len(weights_fingerprint("giblet-12khz")) == 16
    (tmp_path / "model.safetensors").write_bytes(b"one")
    before = weights_fingerprint(str(tmp_path))
    assert weights_fingerprint(f"hf:{tmp_path}") == before
    (tmp_path / "notes.md").write_text("no weights")
    assert weights_fingerprint(str(tmp_path)) == before
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert weights_fingerprint(str(tmp_path)) != before


def test_large_files_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("giblet.features.weights.READ_WHOLE_BYTES", 10)
    monkeypatch.setattr("giblet.features.weights.PART_BYTES", 4)
    seen = set()
    for content in (b"a" * 20, b"a" * 21, b"b" + b"a" * 19, b"a" * 19 + b"b"):
        (tmp_path / "model.safetensors").write_bytes(content)
        seen.add(weights_fingerprint(str(tmp_path)))
    assert len(seen) == 4
