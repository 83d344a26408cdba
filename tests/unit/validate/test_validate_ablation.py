"""The comparison of the heads of sound: scores with known answers, and the page."""

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from giblet.errors import ValidationError
from giblet.features.codec import Codec
from giblet.train.data import open_study
from giblet.train.variants import AUDIO, PLAIN
from giblet.validate.ablation_scores import HeldOut, code_rows, score_variant, sound_rows
from giblet.validate.ablation_table import choice, compare_variants, references
from tests.support.codecs import small_codec, with_codec
from tests.support.networks import TRAINING, train
from tests.support.study_files import make_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study whose film sounds exactly like its codes decoded."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("ablation")
    make_study(folder / "study.h5", (80, 80), n_voxels=40, gap_trs=8)
    with_codec(folder / "study.h5", small_codec(folder / "codec"))
    codec = Codec.load(folder / "codec", n_codebooks=2)
    with open_study(folder / "study.h5") as study:
        for run in study.runs:
            # Each split on its own, as it is decoded: the codec's memory starts anew.
            codes = study.file[f"runs/{run.name}/audio_codes"][:]
            sound = np.zeros(codes.shape[1] * codec.hop_length, np.float32)
            for split in ("val", "test"):
                for part in study.segments(split):
                    if study.runs[part.run].name == run.name:
                        first, last = run.audio_index[[part.start, part.stop - 1], [0, 1]]
                        piece = codec.decode_codes(codes[:, first:last])
                        sound[first * codec.hop_length : last * codec.hop_length] = piece
            path = folder / run.name / "audio.wav"
            path.parent.mkdir()
            soundfile.write(path, sound, 12000, subtype="FLOAT")
    train(folder / "study.h5", folder / "model", steps=2)
    return folder


@pytest.fixture(scope="module")
def audio(folder):
    return [folder / f"run-{k}" / "audio.wav" for k in (1, 2)]


@pytest.fixture(scope="module")
def held(folder, audio):
    with open_study(folder / "study.h5") as study:
        yield HeldOut(study, audio, Codec.load(folder / "codec", n_codebooks=2), "test", 8)


def test_true_codes_sound_exactly_like_the_film(held):
    scores = {row["metric"]: row["value"] for row in references(held) if row["source"] == "ceiling"}
    assert scores["log_mel_distance"] == pytest.approx(0, abs=1e-3)
    assert scores["stoi"] == pytest.approx(1, abs=1e-3)


def test_latents_and_codes_of_a_segment_are_decoded_alike(held):
    true = {part: held.codes(part) for part in held.segments}
    vectors = {part: held.codec.dequantise(codes) for part, codes in true.items()}
    coded, regressed = (list(sound_rows(held, "x", found)) for found in (true, vectors))
    assert coded == regressed


def test_unigram_floor_is_the_share_of_the_commonest_codes(held):
    study = held.study
    found = {
        (row["codebook"], row["metric"]): row["value"]
        for row in references(held)
        if row["source"] == "floor_unigram" and row["metric"].startswith("top")
    }
    codes = np.concatenate([held.codes(part) for part in held.segments], axis=1)
    for book in range(2):
        order = np.argsort(-study.code_counts[book], kind="stable")
        assert found[book + 1, "top1"] == (codes[book] == order[0]).mean()
        assert found[book + 1, "top10"] == np.isin(codes[book], order[:10]).mean()


def test_rank_counts_for_what_it_is():
    rows = list(code_rows("codes", np.array([[0, 0, 5, 10], [9, 9, 9, 9]])))
    values = {(row["codebook"], row["metric"]): row["value"] for row in rows}
    assert values == {(1, "top1"): 0.5, (1, "top10"): 0.75, (2, "top1"): 0, (2, "top10"): 1}


def test_variant_is_scored_and_compared(folder, audio, capsys):
    score_variant(
        folder / "study.h5", folder / "model", audio, folder / "scores.tsv", variant="both",
        clip_trs=8,
    )  # fmt: skip
    compare_variants(
        folder / "study.h5", audio, [folder / "scores.tsv"], table=folder / "ablation.csv",
        page=folder / "ablation.md", clip_trs=8,
    )  # fmt: skip
    table = pd.read_csv(folder / "ablation.csv")
    assert set(table["source"]) == {"model", "from_bold", "ceiling", "floor_mean", "floor_unigram"}
    assert set(table["split"]) == {"val", "test"}
    scored = table[table["variant"] == "both"].set_index(
        ["split", "source", "export", "codebook", "metric"]
    )["value"]
    assert scored.index.is_unique
    # Latents follow the film, and BOLD follows the latents: better than the mean.
    floor = table[(table["source"] == "floor_mean") & (table["metric"] == "log_mel_distance")]
    ours = scored.xs("log_mel_distance", level="metric").xs("model", level="source")
    for split, limit in floor.set_index("split")["value"].items():
        assert ours[split, "latents"].item() < limit
    assert scored["test", "model", np.nan, np.nan, "bold_r"] > 0.3
    page = (folder / "ablation.md").read_text()
    assert "20 validation and 40 test TRs of 1.5 s, 2 subjects" in page
    assert page.count("| both |") == 3
    assert f"`{choice(table)[0]}`, decoded from {choice(table)[1]}" in page


def test_choice_is_made_on_validation_alone():
    rows = [
        ("a", "val", "model", "latents", 1.0), ("a", "val", "from_bold", "latents", 2.0),
        ("b", "val", "model", "codes", 1.1), ("b", "val", "from_bold", "codes", 1.5),
        ("a", "test", "model", "latents", 0.1), ("floor", "val", "floor_mean", "latents", 0.0),
    ]  # fmt: skip
    found = pd.DataFrame(rows, columns=["variant", "split", "source", "export", "value"])
    found["metric"] = "log_mel_distance"
    assert choice(found) == ("b", "codes", pytest.approx(1.3))


def test_run_without_soundtrack_is_named(folder, audio):
    with open_study(folder / "study.h5") as study:
        codec = Codec.load(folder / "codec", n_codebooks=2)
        with pytest.raises(ValidationError, match=r"no soundtrack of run run-2 .*run stimulus"):
            HeldOut(study, audio[:1], codec, "test", 8)


def test_variants_set_all_that_is_about_the_heads_and_nothing_else():
    assert set(PLAIN) <= set(TRAINING)
    for name, settings in AUDIO.items():
        assert set(settings) == set(PLAIN), name
    assert AUDIO["both"] == PLAIN
    assert len({str(settings) for settings in AUDIO.values()}) == len(AUDIO)
