"""Words decoded from single regions: those that were planted to hear them know them."""

import numpy as np
import pandas as pd
import pytest

from giblet.validate.text_regions import score_text_regions
from tests.support.validate_inputs import make_inputs

SETTINGS = {
    "seed": 7,
    "n_permutations": 200,
    "n_bootstrap": 200,
    "block_trs": 8,
    "min_shift_s": 10,
    "identification_min_distance_s": 15,
    "gap_s": 15,
    "decode_delays_trs": [2, 3, 4, 5],
    "n_folds": 3,
    "n_alphas": 5,
    "min_log10_alpha": -1,
    "max_log10_alpha": 3,
    "batch_voxels": 100,
}


def decoded(inputs, folder, **changed):
    options = {"max_regions": 20, **SETTINGS, **changed}
    paths = {"table": folder / "by_region.csv", "said": folder / "region_sentences.tsv"}
    truth = [inputs.truth] if changed.pop("simulated", True) else []
    options.pop("simulated", None)
    score_text_regions(inputs.study, inputs.text, truth, **paths, **options)
    table = pd.read_csv(paths["table"]).fillna({"subject": ""})
    return table, pd.read_csv(paths["said"], sep="\t")


@pytest.fixture(scope="module")
def both(inputs, tmp_path_factory):
    return decoded(inputs, tmp_path_factory.mktemp("regions"))


def test_the_region_of_words_knows_them_and_silent_voxels_do_not(both):
    pooled = both[0][both[0]["subject"] == ""].set_index("region")
    assert set(pooled.index) == {"picture", "sound", "words", "nothing"}
    assert pooled.loc["words", "pairwise"] > 0.75
    assert pooled.loc["words", "q"] < 0.05
    assert pooled.loc["words", "p"] < pooled.loc["nothing", "p"]
    assert abs(pooled.loc["nothing", "pairwise"] - 0.5) < 0.12
    assert pooled["pairwise"].idxmax() == "words"
    assert (pooled["ci_low"] <= pooled["pairwise"]).all()


def test_the_row_over_subjects_is_their_mean(both):
    own = both[0][both[0]["subject"] != ""].groupby("region")["pairwise"].mean()
    pooled = both[0][both[0]["subject"] == ""].set_index("region")["pairwise"]
    np.testing.assert_allclose(pooled.reindex(own.index), own, atol=1e-5)


def test_sentences_are_those_of_one_subject_and_all_its_test_trs(both):
    said = both[1]
    assert said["subject"].nunique() == 1
    # Of 30 test TRs a run the last three of one have no text; one subject missed run 2.
    per_region = said.groupby("region").size().unique()
    assert len(per_region) == 1
    first = said[said["rank"] == 1]
    assert (first["true_text"] == first["nearest_text"]).mean() > 0.95
    words = said[said["region"] == "words"]["rank"].median()
    assert words < said[said["region"] == "nothing"]["rank"].median()


def test_of_many_regions_the_largest_are_taken(inputs, tmp_path):
    table, _ = decoded(inputs, tmp_path, max_regions=1)
    every, _ = decoded(inputs, tmp_path)
    assert set(table["region"]) == {every.loc[every["n_voxels"].idxmax(), "region"]}


def test_a_real_study_without_an_atlas_is_one_region(inputs, tmp_path):
    table, said = decoded(inputs, tmp_path, simulated=False)
    assert set(table["region"]) == set(said["region"]) == {"all"}


def test_noise_says_nothing(tmp_path):
    found = []
    for seed in range(4):
        folder = tmp_path / str(seed)
        null = make_inputs(folder / "null", n_trs=(100, 100), n_voxels=60, signal=False, seed=seed)
        table, _ = decoded(null, folder)
        found += table.loc[table["subject"] != "", "pairwise"].tolist()
    assert abs(np.mean(found) - 0.5) < 0.05
