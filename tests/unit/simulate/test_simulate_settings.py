"""Settings, presets, rules and scripts of the stage agree with each other and the library."""

import inspect
import re
from pathlib import Path

import pytest
import yaml

from giblet.config import complete, leaf_keys
from giblet.errors import ConfigError
from giblet.simulate.bold import write_scans
from giblet.simulate.film import make_film
from giblet.simulate.truth import write_truth

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = yaml.safe_load((ROOT / "config/schemas/simulate.schema.yaml").read_text())
RULES = (ROOT / "rules/simulate.smk").read_text()
PRESETS = ("tiny", "null", "sherlock-simulated")


def load(path):
    return yaml.safe_load((ROOT / path).read_text())


def test_the_demo_study_names_every_setting():
    block = load("config/config.yaml")["simulate"]
    named = [f"{part}/{key}" for part, keys in block.items() for key in keys]
    assert named == list(leaf_keys(SCHEMA))
    complete(block, SCHEMA)


def test_every_setting_has_a_type_a_default_and_a_description():
    for part in SCHEMA["properties"].values():
        for name, leaf in part["properties"].items():
            assert leaf.keys() & {"type", "enum"}, name
            assert "default" in leaf, name
            assert leaf["description"].endswith("."), name


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid_and_begin_with_how_to_run_them(preset):
    path = f"config/datasets/{preset}.yaml"
    study = load(path)
    assert study["dataset"] == preset
    complete(study["simulate"], SCHEMA)
    assert f"--configfile {path}" in (ROOT / path).read_text().split("dataset:")[0]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"bold": {"n_subject": 3}}, "did you mean 'bold/n_subjects'"),
        ({"bold": {"signal": 2}}, "bold/signal"),
        ({"film": {"n_trs": []}}, "film/n_trs"),
        ({"film": {"width": 321}}, "film/width"),
        ({"bold": {"voxel_mm": 1}}, "bold/voxel_mm"),
    ],
)
def test_impossible_settings_are_refused(block, message):
    with pytest.raises(ConfigError, match=message):
        complete(block, SCHEMA)


def test_rules_pass_the_library_exactly_what_it_takes():
    """Every keyword of a library call is a param, an input, an output or a wildcard of its rule."""
    given = {
        "film": ({"run"}, make_film),
        "truth": ({"frames", "audio", "text"}, write_truth),
        "bold": ({"subject"}, write_scans),
    }
    rules = re.split(r"\nrule simulate_(\w+):", RULES)[1:]
    assert rules[::2] == list(given)
    for name, text in zip(rules[::2], rules[1::2], strict=True):
        params = text.split("params:")[1].split("script:")[0]
        keys = {key.rpartition("/")[2] for key in re.findall(r'"([\w/]+)"', params)}
        keys |= set(re.findall(r"^\s+(\w+)=", params, re.M))
        keys -= {"code", "n_trs"} if name != "film" else {"code"}
        elsewhere, call = given[name]
        wanted = {
            key
            for key, parameter in inspect.signature(call).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }
        assert keys | elsewhere == wanted


def test_every_setting_is_used_by_a_rule_or_by_the_tables():
    tables = {"film/make", "film/n_trs", "bold/make", "bold/n_subjects"}
    used = {key.removeprefix("simulate/") for key in re.findall(r'"(simulate/[\w/]+)"', RULES)}
    assert used | tables == set(leaf_keys(SCHEMA))
