"""Input files: declared ones only, and messages that say what is wrong."""

import pytest

from giblet.errors import StoreError, ValidationError
from giblet.validate.report.files import Files, read_json, read_table


def test_only_declared_files_are_seen(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / "video").mkdir(exist_ok=True)
        (tmp_path / "video" / name).write_bytes(b"x")
    files = Files(tmp_path, [tmp_path / "video/a.png", tmp_path / "video/gone.png"])
    assert list(files.matching("video/*.png")) == ["video/a.png"]
    assert files.get("video/b.png") is None
    assert files.get("video/gone.png") is None


def test_missing_file_says_what_to_type(tmp_path):
    with pytest.raises(ValidationError, match=r"splits\.tsv: no such file.*run snakemake"):
        Files(tmp_path, []).need("align/splits.tsv")


def test_missing_column_names_those_there_are(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("metric,value\nr,1\n")
    with pytest.raises(ValidationError, match="no column source; its columns are metric, value"):
        read_table(path, ("metric", "source"), ("metric",))


def test_word_in_a_column_of_numbers(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("metric,value\nr,high\n")
    with pytest.raises(ValidationError, match="row 1: value is 'high', expected a number"):
        read_table(path, ("metric", "value"), ("metric",))


def test_empty_cells_are_nan_and_sentences_stay_sentences(tmp_path):
    path = tmp_path / "retrieved.tsv"
    path.write_text("true_text\trank\nNA\t\nnull\t3\n")
    table = read_table(path, ("true_text", "rank"), ("true_text",))
    assert list(table["true_text"]) == ["NA", "null"]
    assert table["rank"].isna().tolist() == [True, False]


def test_json_that_is_not_named_values(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("[1, 2]")
    with pytest.raises(StoreError, match="holds list, expected named values: delete it"):
        read_json(path)
    assert read_json(None) == {}
