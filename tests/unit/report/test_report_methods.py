"""Methods text: from the configuration, and nothing that the configuration does not say."""

import re
from functools import reduce

import pytest
import yaml

from giblet.config import complete, leaf_keys, load_schema
from giblet.validate.report.citations import WORKS, bibliography, in_text
from giblet.validate.report.methods import METHODS, keys_used, methods
from tests.support.checkout import ROOT

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
    assert works == set(WORKS)


def fields(entry):
    """Key and fields of a BibTeX entry, read by its grammar."""
    head, _, body = entry.partition(",")
    kind, _, key = head.partition("{")
    assert kind in ("@article", "@inproceedings")
    found, at = {}, 0
    while (match := re.compile(r"\s*(\w+)\s*=\s*\{").match(body, at)) is not None:
        depth, end = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(body[end], 0)
            end += 1
        found[match.group(1)] = " ".join(body[match.end() : end - 1].split())
        at = end + (body[end : end + 1] == ",")
    assert body[at:].strip() == "}", key
    return kind, key, found


@pytest.mark.parametrize("work", WORKS)
def test_every_entry_is_complete_bibtex(work):
    kind, key, entry = fields(WORKS[work].bibtex)
    where = "journal" if kind == "@article" else "booktitle"
    assert {"author", "title", "year", where} <= set(entry)
    assert "others" not in entry["author"]
    assert re.fullmatch(r"10\.\d{4,}/\S+", entry.get("doi", "")) or "eprint" in entry
    assert "volume" in entry or "pages" in entry or "eprint" in entry
    assert key.rstrip("0123456789abcdefghijklmnopqrstuvwxyz") == ""
    assert entry["year"] in key


@pytest.mark.parametrize("work", WORKS)
def test_label_in_the_text_is_that_of_the_entry(work):
    """First author's surname, how many there are, and the year."""
    entry = fields(WORKS[work].bibtex)[2]
    authors = [name.partition(",")[0] for name in entry["author"].split(" and ")]
    accents = {r"{\"o}": "ö", r"{\"u}": "ü", r"{\'e}": "é"}
    names = [reduce(lambda text, a: text.replace(*a), accents.items(), n) for n in authors]
    who = {1: names[0], 2: " & ".join(names[:2])}.get(len(names), f"{names[0]} et al.")
    assert WORKS[work].label == f"{who}, {entry['year']}"


def test_keys_and_labels_are_unique():
    assert len({fields(work.bibtex)[1] for work in WORKS.values()}) == len(WORKS)
    assert len({work.label for work in WORKS.values()}) == len(WORKS)


def test_works_stand_in_the_sentence_that_cites_them():
    said = text_of(CONFIG)["Study"]
    assert "with seed 3 (Mölder et al., 2021)." in said
    assert in_text(["fdr", "families"]) == (
        " (Benjamini & Hochberg, 1995; Benjamini & Bogomolov, 2014)"
    )
    assert in_text([]) == ""


def test_measures_are_cited_when_they_were_taken():
    assert "LPIPS" not in text_of({**CONFIG, "seed": 1})["Statistics"]
    said = {p.heading: p.text for p in methods(CONFIG, {"lpips"})[0]}
    assert "LPIPS (Zhang et al., 2018)" in said["Statistics"]


def test_the_shipped_configuration_says_every_part_in_full():
    """No setting of the methods text is missing from the real configuration."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    complete(config)
    paragraphs, cited = methods({**config, "modalities": ["video", "audio", "text"]})
    assert [p.heading for p in paragraphs] == [heading for heading, _ in METHODS]
    text = " ".join(p.text for p in paragraphs)
    for part in ("3 viewers were simulated", "1000 draws", "0.05", "AdamW", "0.008 Hz", "2048"):
        assert part in text
    assert {"pytorch", "blocks", "families", "minilm", "si_sdr"} <= set(cited)


def test_every_key_named_is_a_setting():
    try:
        known = set(leaf_keys(load_schema()))
    except FileNotFoundError as missing:
        pytest.skip(f"needs every stage's schema: {missing.filename} is not there")
    assert [key for key in keys_used() if key not in known] == []
