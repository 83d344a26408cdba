"""Configuration: complete after reading, refused by key, value and nearest neighbour."""

import pytest

from giblet import config
from giblet.errors import ConfigError

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "dataset": {"type": "string"},
        "stimulus": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "video": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "width": {
                            "type": "integer",
                            "minimum": 1,
                            "default": 160,
                            "description": "Width in pixels.",
                        },
                        "fit": {"enum": ["crop", "letterbox"], "default": "letterbox"},
                    },
                }
            },
        },
        "tr_s": {"type": "number", "default": 1.5},
    },
}


def test_defaults_are_filled_in_at_every_depth():
    filled = config.complete({"dataset": "x"}, SCHEMA)
    assert filled["stimulus"]["video"] == {"width": 160, "fit": "letterbox"}
    assert list(config.leaf_keys(SCHEMA)) == [
        "dataset",
        "stimulus/video/width",
        "stimulus/video/fit",
        "tr_s",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stimulus": {"video": {"widht": 1}}}, "did you mean 'stimulus/video/width'"),
        ({"width": 10}, "did you mean 'stimulus/video/width'"),
        ({"stimuli": {}}, "did you mean 'stimulus'"),
        ({"zzz": 1}, "valid here are dataset, stimulus, tr_s"),
        ({"stimulus": 3}, "expected a block of settings: video"),
        ({"stimulus": {"video": {"width": 0}}}, r"'stimulus/video/width': 0 .*Width in pixels"),
        ({"stimulus": {"video": {"fit": "stretch"}}}, "'stretch' is not one of"),
    ],
)
def test_what_cannot_be_used_is_named(given, message):
    with pytest.raises(ConfigError, match=message):
        config.complete(given, SCHEMA)


def test_flat_settings_are_sorted_and_never_shadow_each_other():
    given = config.complete({}, SCHEMA)
    assert config.flat(given, "tr_s", "stimulus/video") == {
        "fit": "letterbox",
        "tr_s": "1.5",
        "width": 160,
    }
    with pytest.raises(ConfigError, match="'width' is named twice"):
        config.flat(given, "stimulus/video", "stimulus/video/width")


def test_every_setting_of_the_project_has_a_description_and_a_default():
    schema = config.load_schema()
    for key in config.leaf_keys(schema):
        part = schema
        for name in key.split("/"):
            part = part["properties"][name]
        assert part.get("description"), key
        assert key == "dataset" or "default" in part, key


@pytest.mark.parametrize(
    ("tr_s", "expected"), [(1.5, "1.5"), ("1.5", "1.5"), ("3/2", "1.5"), (2, "2"), ("4/3", "4/3")]
)
def test_the_tr_has_one_notation(tr_s, expected):
    schema = {"properties": {"tr_s": {"type": ["number", "string"], "default": 1}}}
    assert config.complete({"tr_s": tr_s}, schema)["tr_s"] == expected


def test_texts_are_read_where_texts_are_not_allowed():
    """Snakemake's --config gives every value of a block as a text."""
    given = {"dataset": "12", "stimulus": {"video": {"width": "20"}}, "tr_s": "2"}
    filled = config.complete(given, SCHEMA)
    assert filled["dataset"] == "12"
    assert filled["stimulus"]["video"]["width"] == 20
    with pytest.raises(ConfigError, match="'twenty' is not of type 'integer'"):
        config.complete({"dataset": "x", "stimulus": {"video": {"width": "twenty"}}}, SCHEMA)
