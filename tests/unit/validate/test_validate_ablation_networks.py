"""Ablations with seeds and intervals: what is scored, and what is made of it."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from giblet.model.across_trs import ACROSS_TRS
from giblet.model.hrf import LEARNT
from giblet.model.within_tr import WITHIN_TR
from giblet.store import reading, writing
from giblet.train.build import load_network
from giblet.train.data import open_study
from giblet.train.losses import floors
from giblet.train.objective import evaluate
from giblet.train.predict import predict_study
from giblet.train.sound import SOUND_SETTINGS, sound_losses
from giblet.train.variants import ABLATIONS, plans
from giblet.validate.ablation_compare import choice, compare_networks
from giblet.validate.ablation_fit import score_network
from giblet.validate.ablation_names import SHOWN
from giblet.validate.statistics import centred, pearson
from tests.support.caches import edited
from tests.support.networks import NETWORK, TRAINING, train
from tests.support.study_files import make_study

# Ablations hide the film of other splits from a block's context, the validate stage does not.
HIDDEN = 0.006
SOUND = {name: TRAINING[name] for name in SOUND_SETTINGS}


def score(folder, model, out, **changes):
    settings = {"seed": 1, "n_bootstrap": 60, "block_trs": 10, "min_ceiling": 0.1, **changes}
    score_network(folder / "study.h5", model, folder / "ceiling.h5", [], out, **settings, **SOUND)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("ablation")
    planted = make_study(folder / "study.h5", (80, 80), n_voxels=40, gap_trs=8)
    with writing(folder / "ceiling.h5", stage="brain") as file:
        for subject in planted.subjects:
            file[f"ceiling/{subject}"] = planted.ceiling.astype(np.float32)
    for seed in (1, 2):
        train(folder / "study.h5", folder / f"conv/seed-{seed}", steps=2, seed=seed)
        train(folder / "study.h5", folder / f"blind/seed-{seed}", start="random", steps=0)
    for variant in ("conv", "blind"):
        for seed in (1, 2):
            where = folder / variant / f"seed-{seed}"
            score(folder, where, where / "scores.h5")
    return folder


def test_losses_are_those_that_training_reports(folder):
    """Blocks that tile a split sum to what the training's own evaluation finds."""
    net = load_network(folder / "conv/seed-1")
    with open_study(folder / "study.h5") as study:
        sound = sound_losses(study, SOUND)
        floor = floors(study, "test", 1, 16, sound)
        weights = {name: 1.0 for name in ("brain", "video", "audio", "text")}
        _, parts, paths = evaluate(
            net, study, split="test", window_trs=16, sound=sound, floor=floor, weights=weights
        )
    with reading(folder / "conv/seed-1/scores.h5", stage="validate") as file:
        for source, found in paths.items():
            for name, value in found.items():
                ours = file[f"test/{name}_loss/{source}/value"][()]
                # Windows of another length see other gaps: nearly, not exactly, the same.
                assert ours == pytest.approx(value, abs=0.03), (source, name)
        assert file["test/brain_loss/model/value"][()] == pytest.approx(parts["brain"], abs=0.03)


def test_encoding_tells_a_fitted_network_from_one_that_learnt_nothing(folder):
    found = {}
    for variant in ("conv", "blind"):
        with reading(folder / variant / "seed-1/scores.h5", stage="validate") as file:
            found[variant] = file["test/encoding_r/all/value"][()]
            draws = file["test/encoding_r/all/draws"][:]
            assert draws.shape == (60,)
            assert {s for _, m, s in json.loads(file.attrs["scores"]) if m == "encoding_r"} == set(
                SHOWN
            )
            low, high = np.percentile(draws, [1, 99])
            assert low <= found[variant] + 0.05
            assert high >= found[variant] - 0.05
    assert found["conv"] > 0.3
    assert abs(found["blind"]) < 0.25


def predicted_r(study, model, subjects):
    """Encoding r of the predictions that the validate stage makes, of all voxels."""
    found = dict(predict_study(study, model))
    r = []
    with open_study(study) as opened:
        segments = opened.segments("test")
        lengths = [part.stop - part.start for part in segments]
        for subject in subjects:
            measured = [
                opened.file[f"runs/{opened.runs[part.run].name}/bold/{subject}"][
                    part.start : part.stop
                ]
                for part in segments
            ]
            predicted = [found[f"{run.name}/bold/model/{subject}"] for run in opened.runs]
            x, y = (centred(np.concatenate(parts), lengths) for parts in (predicted, measured))
            r.append(np.median(pearson(x, y)))
    return np.mean(r)


def score_everywhere(study, model, folder):
    """Scores of all voxels, held in a file in `folder`."""
    with writing(folder / "ceiling.h5", stage="brain"):
        pass
    out = folder / "scores.h5"
    score_network(
        study, model, folder / "ceiling.h5", [], out,
        seed=1, n_bootstrap=4, block_trs=10, min_ceiling=0, **SOUND,
    )  # fmt: skip
    with reading(out, stage="validate") as file:
        return file["test/encoding_r/all/value"][()]


def test_encoding_is_that_of_predictions_without_the_drift(folder, tmp_path):
    study = tmp_path / "study.h5"
    shutil.copy(folder / "study.h5", study)
    plain = score_everywhere(study, folder / "conv/seed-1", tmp_path)
    with edited(study) as file:
        file.attrs["high_pass_hz"], file.attrs["detrend"] = 0.008, True
    found = score_everywhere(study, folder / "conv/seed-1", tmp_path)
    assert abs(found - plain) > 3 * HIDDEN
    expected = predicted_r(study, folder / "conv/seed-1", ["sub-01", "sub-02"])
    assert found == pytest.approx(expected, abs=HIDDEN)


def test_subject_that_training_did_not_see_does_not_count(folder, tmp_path):
    train(folder / "study.h5", tmp_path / "net", steps=2, unseen_subjects=["sub-01"])
    found = score_everywhere(folder / "study.h5", tmp_path / "net", tmp_path)
    expected = predicted_r(folder / "study.h5", tmp_path / "net", ["sub-02"])
    assert found == pytest.approx(expected, abs=HIDDEN)


def test_voxels_below_the_ceiling_do_not_count(folder, tmp_path):
    score(folder, folder / "conv/seed-1", tmp_path / "all.h5", min_ceiling=0.0)
    with reading(tmp_path / "all.h5") as every, reading(folder / "conv/seed-1/scores.h5") as some:
        name = "test/encoding_r/all/value"
        assert every[name][()] < some[name][()]


def test_table_has_seeds_intervals_and_paired_differences(folder):
    scores = [folder / v / f"seed-{n}" / "scores.h5" for v in ("conv", "blind") for n in (1, 2)]
    compare_networks(
        scores, ablation="temporal", table=folder / "ablation.csv", page=folder / "ablation.md"
    )
    table = pd.read_csv(folder / "ablation.csv")
    rows = table[(table["split"] == "test") & (table["source"] == "all")].set_index("variant")
    assert (rows["n_seeds"] == 2).all()
    assert np.isnan(rows.loc["conv", "difference"])
    blind = rows.loc["blind"]
    expected = blind["value"] - rows.loc["conv", "value"]
    assert blind["difference"] == pytest.approx(expected, abs=1e-5)
    assert blind["difference_low"] <= blind["difference"] <= blind["difference_high"] < 0
    assert rows.loc["conv", "seed_sd"] > 0
    page = (folder / "ablation.md").read_text()
    assert "**Chosen on the validation TRs: `conv`**" in page
    assert page.count("| `blind` |") == 4
    assert "2 networks of each variant" in page


def test_no_difference_from_oneself(folder, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "seed-1").mkdir(parents=True)
        target = tmp_path / name / "seed-1" / "scores.h5"
        target.write_bytes((folder / "conv/seed-1/scores.h5").read_bytes())
    scores = [tmp_path / name / "seed-1" / "scores.h5" for name in ("one", "two")]
    compare_networks(scores, ablation="hrf", table=tmp_path / "t.csv", page=tmp_path / "t.md")
    table = pd.read_csv(tmp_path / "t.csv")
    differences = table.loc[table["variant"] == "two", ["difference_low", "difference_high"]]
    assert (differences.dropna() == 0).all(axis=None)
    assert "±" not in (tmp_path / "t.md").read_text().split("Validation TRs")[1]


def test_choice_is_made_on_validation_and_for_dropout_also_on_what_is_left():
    rows = [
        ("a", "val", "all", 0.5), ("a", "val", "video", 0.1), ("a", "test", "all", 0.1),
        ("b", "val", "all", 0.4), ("b", "val", "video", 0.4), ("b", "test", "all", 0.9),
    ]  # fmt: skip
    found = pd.DataFrame(rows, columns=["variant", "split", "source", "value"])
    found["metric"] = "encoding_r"
    assert choice(found, "temporal") == ("a", pytest.approx(0.5))
    assert choice(found, "modality_dropout") == ("b", pytest.approx(0.4))


def test_variants_of_an_ablation_set_the_same_keys_and_differ():
    known = set(TRAINING) | set(NETWORK)
    for name, variants in ABLATIONS.items():
        keys = {frozenset(settings) for settings in variants.values()}
        assert len(keys) == 1, name
        assert set(*keys) <= known
        assert len({str(settings) for settings in variants.values()}) == len(variants)
    assert {v["within_tr"] for v in ABLATIONS["temporal"].values()} == set(WITHIN_TR)
    assert {v["across_trs"] for v in ABLATIONS["temporal"].values()} == set(ACROSS_TRS)
    assert {"none", "shift", "glover", "spm", *LEARNT} == {
        v["hrf"] for v in ABLATIONS["hrf"].values()
    }


def test_plans_are_the_study_s_settings_with_a_variant_and_a_seed():
    settings = {"seed": 7, "hrf": "glover", "hrf_delays": "voxel", "modality_dropout": 0.1, "lr": 1}
    found = plans(settings, 3)
    assert found["hrf"]["none"]["3"] == settings | {"seed": 9, "hrf": "none", "hrf_delays": "fixed"}
    assert found["modality_dropout"]["drop-50"]["1"] == settings | {"modality_dropout": 0.5}
    assert list(found["audio"]["both"]) == ["1", "2", "3"]
