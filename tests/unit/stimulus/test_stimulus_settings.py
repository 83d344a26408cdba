"""The settings, the functions and the demo's block agree."""

from __future__ import annotations

import inspect

import jsonschema
import pytest
import yaml

from giblet.config import SCHEMAS
from giblet.stimulus.audio import extract_audio
from giblet.stimulus.text import extract_text
from giblet.stimulus.video import extract_frames

# What comes from elsewhere: the runs table, the TR, the codec, the rule.
ELSEWHERE = {
    *("tr_s", "movie_onset_s", "n_trs", "text_part", "text_parts", "text_shared"),
    *("sample_rate_hz", "run", "movie"),
}
BLOCK = SCHEMAS.parent / "blocks" / "stimulus.yaml"
FUNCTIONS = {"video": extract_frames, "audio": extract_audio, "text": extract_text}


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def schema():
    return load(SCHEMAS / "stimulus.schema.yaml")


@pytest.mark.parametrize("block", FUNCTIONS)
def test_each_setting_is_a_parameter_with_the_same_default(schema, block):
    parts = {"damaged": schema["properties"]["damaged"]}
    parts |= schema["properties"][block]["properties"]
    parameters = {
        name: parameter.default
        for name, parameter in inspect.signature(FUNCTIONS[block]).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name not in ELSEWHERE
    }
    assert parameters == {name: part["default"] for name, part in parts.items()}


def test_the_demo_block_sets_every_key_and_is_valid(schema):
    whole = SCHEMAS.parent / "config.yaml"
    block = load(whole if whole.exists() else BLOCK)["stimulus"]
    jsonschema.validate(block, schema)
    assert set(block) == set(schema["properties"])
    for name in FUNCTIONS:
        assert set(block[name]) == set(schema["properties"][name]["properties"])
