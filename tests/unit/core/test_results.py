"""Tables of earlier jobs: what is written is read again, and no text is a formula."""

import random
import re
from contextlib import suppress

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet import results
from giblet.errors import StoreError
from giblet.validate.report.files import read_table
from giblet.validate.table import write_table

TEXTS = st.one_of(
    st.text(st.sampled_from("=+-@'\t\"1aé, ;|")),
    st.sampled_from(['=HYPERLINK("http://x","y")', "-1", "+1.5e3", "- Hello.", "@a", "'=a", "NA"]),
)


@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_a_text_comes_back_and_is_no_formula(text):
    written = results.as_text(text)
    assert results.from_text(written) == text
    assert not re.match(r"[=+\-@\t\r]", written) or float(written) is not None


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_names_of_regions_are_no_formulas_in_the_file_and_themselves_in_the_report(
    tmp_path, suffix
):
    names = ['=HYPERLINK("http://x","V1")', "-V1", "+", "@V1", "'=V1", "V1", "NA", "-3"]
    path = tmp_path / f"by_region{suffix}"
    write_table(path, pd.DataFrame({"region": names, "value": [-1.5] * len(names)}))
    cells = [line.split(results.separator_of(path))[0] for line in path.read_text().split("\n")[1:]]
    assert not [c for c in cells if re.match(r'"?[=+\-@]', c) and c != "-3"]
    table = read_table(path, ["region", "value"], ["region"])
    assert list(table["region"]) == names
    assert (table["value"] == -1.5).all()


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), suffix=st.sampled_from([".tsv", ".csv", ".json"]))
def test_damage_between_jobs_is_refused_by_the_files_name(tmp_path_factory, seed, suffix):
    drawn = random.Random(seed)
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    data = bytearray(b'{"a": [1, 2], "b": "x"}' if suffix == ".json" else b"a,b\n1,x\n2,y\n" * 3)
    for _ in range(drawn.randint(1, 5)):
        data[drawn.randrange(len(data))] = drawn.randrange(256)
    path.write_bytes(data[: drawn.randrange(len(data) + 1)] if drawn.random() < 0.3 else data)
    with suppress(StoreError):
        if suffix == ".json":
            assert isinstance(results.read_made_json(path), dict)
        else:
            results.read_made_table(path, dtype=str)


@pytest.mark.parametrize("text", ["", "{", "[1]", "nul", "[" * 100_000])
def test_json_that_holds_no_named_values_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(StoreError, match=r"a\.json: .*delete it and run snakemake again"):
        results.read_made_json(tmp_path / "a.json")


def test_a_value_that_is_not_there_is_named(tmp_path):
    (tmp_path / "a.json").write_text('{"loss": 1}')
    with pytest.raises(StoreError, match=r"a\.json: has no 'seed'; found loss"):
        results.read_made_json(tmp_path / "a.json", ["seed"])
    with pytest.raises(StoreError, match=r"no\.json: no such file: run snakemake"):
        results.read_made_json(tmp_path / "no.json")


def test_a_column_that_is_not_there_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(StoreError, match=r"a\.csv: has no column 'z'; found x, y"):
        results.read_made_table(tmp_path / "a.csv", ["z"])


def test_sound_that_was_cut_to_nothing_is_refused(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(StoreError, match=r"a\.wav: cannot be read as sound"):
        with results.made_sound(tmp_path / "a.wav"):
            pass
