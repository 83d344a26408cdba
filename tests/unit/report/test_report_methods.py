"""Methods text: from the configuration, and nothing that the configuration does not say."""

import pytest

from giblet.config import leaf_keys, load_schema
from giblet.validate.report.citations import BIBTEX, bibliography
from giblet.validate.report.methods import METHODS, keys_used, methods

CONFIG = {
    "seed": 3,
    "tr_s": "1.5",
    "simulate": {"film": {"make": False}, "bold": {"make": False}},
    "features": {"audio": {"codec": "giblet-12khz", "n_codebooks": 8, "bandwidth_kbps": 3.0}},
    "align": {"scheme": "runs", "gap_s": 30, "delays_trs": [1, 2, 3]},
    "train": {"baseline": {"decode_delays_trs": [2, 4]}},
}


def text_of(config):
    return {p.heading: p.text for p in methods(config)[0]}


def test_values_are_filled_in():
    said = text_of(CONFIG)
    assert "giblet-12khz (8 codebooks, 3 kbit/s)" in said["Features"]
    assert (
        "delayed by 1, 2 and 3 TRs; for decoding it reads BOLD 2 and 4 TRs later"
        in said["Linear baseline"]
    )


def test_nothing_is_left_unfilled():
    assert not [text for text in text_of(CONFIG).values() if "{" in text]


def test_sentence_without_its_key_is_not_said():
    assert "Drifts" not in text_of(CONFIG)["fMRI"]
    assert "0.01 Hz" in text_of({**CONFIG, "brain": {"high_pass_hz": 0.01}})["fMRI"]


def test_conditions_hold():
    assert "simulated" not in text_of(CONFIG)["Study"]
    assert "Whole runs were held out" in text_of(CONFIG)["Alignment and split"]
    simulated = {**CONFIG, "simulate": {"film": {"make": True}, "bold": {"make": True}}}
    assert "no person was scanned" in text_of(simulated)["Study"]


def test_no_smoothing_is_not_smoothing_by_zero():
    smoothed = text_of({**CONFIG, "brain": {"smoothing_fwhm_mm": 4}})["fMRI"]
    assert "kernel of 4 mm" in smoothed
    assert "kernel" not in text_of({**CONFIG, "brain": {"smoothing_fwhm_mm": 0}})["fMRI"]


def test_unused_parts_are_not_described():
    config = {**CONFIG, "features": {"video": {"backbone": "none"}}}
    assert "Features" not in text_of(config)


def test_only_works_of_said_sentences_are_cited():
    cited = methods(CONFIG)[1]
    assert "encodec" in cited
    assert "encodec" not in methods({**CONFIG, "features": {}})[1]
    assert bibliography(cited).count("@") == len(cited)


def test_every_citation_exists_and_is_balanced():
    works = {work for _, part in METHODS for sentence in part for work in sentence.cites}
    assert works == set(BIBTEX)
    assert all(entry.count("{") == entry.count("}") for entry in BIBTEX.values())


def test_every_key_named_is_a_setting():
    try:
        known = set(leaf_keys(load_schema()))
    except FileNotFoundError as missing:
        pytest.skip(f"needs every stage's schema: {missing.filename} is not there")
    assert [key for key in keys_used() if key not in known] == []
