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
from giblet.train.windows import Window
from giblet.validate.ablation_scores import Clip, HeldOut, code_rows, score_variant, sound_rows
from giblet.validate.ablation_table import choice, compare_variants, references, summary
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
    scores = pd.DataFrame([row for row in references(held) if row["source"] == "ceiling"])
    assert scores["clip"].nunique() == len(held.clips)
    of = scores.groupby("metric")["value"]
    assert of.max()["log_mel_distance"] == pytest.approx(0, abs=1e-3)
    assert of.min()["stoi"] == pytest.approx(1, abs=1e-3)


def test_latents_and_codes_of_a_segment_are_decoded_alike(held):
    true = {part: held.codes(part) for part in held.segments}
    vectors = {part: held.codec.dequantise(codes) for part, codes in true.items()}
    coded, regressed = (list(sound_rows(held, "x", found)) for found in (true, vectors))
    assert coded == regressed


def test_unigram_floor_is_the_share_of_the_commonest_codes(held):
    study = held.study
    rows = [{**row, "split": "test", "seed": ""} for row in references(held)]
    table = summary(pd.DataFrame(rows), 0, 0)
    table = table[(table["source"] == "floor_unigram") & table["codebook"].notna()]
    found = table.set_index(["codebook", "metric"])["value"]
    codes = np.concatenate([held.codes(part) for part in held.segments], axis=1)
    for book in range(2):
        order = np.argsort(-study.code_counts[book], kind="stable")
        assert found[book + 1, "top1"] == pytest.approx((codes[book] == order[0]).mean())
        assert found[book + 1, "top10"] == pytest.approx(np.isin(codes[book], order[:10]).mean())


def test_rank_counts_for_what_it_is():
    part = Window(0, 0, 8)
    clips = [Clip(part, slice(0, 4), np.zeros(0)), Clip(part, slice(4, 6), np.zeros(0))]
    rank = {part: np.array([[0, 0, 5, 10, 0, 9], [9, 9, 9, 9, 10, 10]])}
    rows = list(code_rows(clips, "codes", rank))
    values = {(row["clip"], row["codebook"], row["metric"]): row["value"] for row in rows}
    assert values == {
        (0, 1, "top1"): 0.5, (0, 1, "top10"): 0.75, (0, 2, "top1"): 0, (0, 2, "top10"): 1,
        (1, 1, "top1"): 0.5, (1, 1, "top10"): 1, (1, 2, "top1"): 0, (1, 2, "top10"): 0,
    }  # fmt: skip
    assert [row["n"] for row in rows] == [4] * 4 + [2] * 4


def test_variants_are_scored_and_compared(folder, audio):
    networks = [("both", 1), ("both", 2), ("codes", 1), ("codes", 2)]
    scores = [folder / name / f"seed-{number}" / "scores.tsv" for name, number in networks]
    train(folder / "study.h5", folder / "again", steps=2, seed=5)
    for path, model, (name, _) in zip(scores, ["model", "again"] * 2, networks, strict=True):
        path.parent.mkdir(parents=True)
        score_variant(
            folder / "study.h5", folder / model, audio, path, variant=name, clip_trs=8
        )  # fmt: skip
    compare_variants(
        folder / "study.h5", audio, scores, table=folder / "ablation.csv",
        page=folder / "ablation.md", clip_trs=8, seed=1, n_bootstrap=50,
    )  # fmt: skip
    table = pd.read_csv(folder / "ablation.csv")
    assert set(table["source"]) == {"model", "from_bold", "ceiling", "floor_mean", "floor_unigram"}
    assert set(table["split"]) == {"val", "test"}
    scored = (
        table[table["variant"] == "both"]
        .set_index(["split", "source", "export", "codebook", "metric"])
        .sort_index()
    )
    assert scored.index.is_unique
    assert (scored["n_seeds"] == 2).all()
    # Latents follow the film, and BOLD follows the latents: better than the mean.
    floor = table[(table["source"] == "floor_mean") & (table["metric"] == "log_mel_distance")]
    ours = scored["value"].xs("log_mel_distance", level="metric").xs("model", level="source")
    for split, limit in floor.set_index("split")["value"].items():
        assert ours[split, "latents"].item() < limit
    assert scored["value"]["test", "model", np.nan, np.nan, "bold_r"] > 0.3
    heard = scored.xs("log_mel_distance", level="metric").loc["test"]
    assert (heard["ci_low"] <= heard["value"]).all()
    assert (heard["ci_high"] > heard["ci_low"]).all()
    assert (heard["seed_sd"] > 0).any()
    # The same networks under another name: no difference, in no draw.
    same = table[(table["variant"] == "codes")]
    assert same["difference"].notna().all()
    assert (same[["difference", "difference_low", "difference_high"]].fillna(0) == 0).all(None)
    page = (folder / "ablation.md").read_text()
    assert "20 validation and 40 test TRs of 1.5 s, 2 subjects" in page
    assert "2 networks of each variant with different seeds" in page
    assert page.count("| `both` |") == 5
    assert f"`{choice(table)[0]}`, decoded from {choice(table)[1]}" in page


def _scored(*rows, split="test"):
    """Rows of scores: variant, seed, clip, codec frames, value."""
    found = pd.DataFrame(rows, columns=["variant", "seed", "clip", "n", "value"])
    return found.assign(
        split=split, source="model", export="latents", codebook=np.nan, metric="stoi"
    )


def test_clips_count_for_their_frames_and_seeds_alike():
    scored = _scored(
        ("a", "seed-1", 0, 3, 1.0), ("a", "seed-1", 1, 1, 0.0),
        ("a", "seed-2", 0, 3, 0.5), ("a", "seed-2", 1, 1, 0.5),
    )  # fmt: skip
    row = summary(scored, 100, 0).iloc[0]
    assert row["value"] == (0.75 + 0.5) / 2
    assert row["seed_sd"] == pytest.approx(np.std([0.75, 0.5], ddof=1))
    assert (row["ci_low"], row["ci_high"]) == (0.25, 0.75)


def test_differences_are_paired_by_clip():
    clips = [(0, 1.0), (1, 3.0), (2, 8.0)]
    scored = _scored(
        *(("a", "seed-1", clip, 1, value) for clip, value in clips),
        *(("b", "seed-1", clip, 1, value + 0.5) for clip, value in clips),
    )
    table = summary(scored, 100, 0).set_index("variant")
    assert table.loc["a", "ci_high"] - table.loc["a", "ci_low"] > 1
    apart = table.loc["b", ["difference", "difference_low", "difference_high"]]
    assert apart.tolist() == pytest.approx([0.5] * 3)
    assert np.isnan(table.loc["a", "difference"])


def test_single_clip_has_no_interval_and_unheard_clips_do_not_count():
    row = summary(_scored(("a", "seed-1", 0, 1, 2.0)), 100, 0).iloc[0]
    assert row["value"] == 2
    assert np.isnan(row["ci_low"])
    unheard = _scored(("a", "seed-1", 0, 1, 2.0), ("a", "seed-1", 1, 1, np.nan))
    assert summary(unheard, 100, 0).iloc[0]["value"] == 2


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
