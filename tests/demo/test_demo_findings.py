"""What the demo study must find of its planted truth (run after `make demo`)."""

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def fmri(results):
    table = pd.read_csv(results / "validate" / "fmri" / "metrics.csv")
    pooled = table[table["subject"].isna()]
    return pooled.set_index(["metric", "source"])["value"]


def test_ridge_reaches_seven_tenths_of_the_ceiling(fmri):
    assert fmri["r_over_true_ceiling", "ridge"] >= 0.7


def test_network_goes_beyond_it(fmri):
    assert fmri["r_over_true_ceiling", "model"] >= 0.9
    assert fmri["r_over_true_ceiling", "model"] > fmri["r_over_true_ceiling", "ridge"]
    assert fmri["below_ridge", "model"] <= 0.12
    assert fmri["clearly_below_ridge", "model"] <= 0.05


@pytest.mark.parametrize("source", ["model", "ridge"])
def test_false_discoveries_among_null_voxels_stay_below_the_rate_asked_for(fmri, source):
    assert fmri["false_discovery_fraction", source] <= 0.05


def test_planted_delay_is_recovered(fmri):
    assert fmri["delay_abs_error_s", "ridge"] <= 0.5


@pytest.mark.parametrize("modality", ["video", "audio", "text"])
def test_voxels_of_one_modality_are_best_explained_by_it(fmri, modality):
    assert fmri[f"own_modality_{modality}", "ridge"] >= 0.9


@pytest.fixture(scope="module")
def audio(results):
    table = pd.read_csv(results / "validate" / "audio" / "metrics.csv")
    return table[table["subject"].isna()].set_index(["metric", "source"])


def pooled_scores(results, modality):
    table = pd.read_csv(results / "validate" / modality / "metrics.csv")
    return table[table["subject"].isna()].set_index(["metric", "source"])


@pytest.mark.parametrize(
    ("modality", "candidates"),
    [
        ("video", "identification"),
        ("text", "identification"),
        ("text", "identification_all"),
    ],
)
def test_moments_are_picked_out_first_from_measured_bold(results, modality, candidates):
    scores = pooled_scores(results, modality)["value"]
    chance = scores[f"{candidates}_top1", "chance"]
    assert scores[f"{candidates}_top1", "from_bold"] >= 5 * chance


@pytest.mark.parametrize("candidates", ["identification", "identification_all"])
@pytest.mark.parametrize("modality", ["video", "text"])
def test_moments_are_not_identified_by_accident(results, modality, candidates):
    scores = pooled_scores(results, modality)["value"]
    for name in ("p", "top1_p"):
        assert scores[f"{candidates}_{name}", "from_bold"] < 0.001
        assert scores[f"{candidates}_{name}", "floor_shifted"] > 0.05


@pytest.mark.parametrize(
    ("modality", "metric"), [("video", "ssim"), ("video", "pixel_r"), ("text", "cosine_centred")]
)
def test_picture_and_words_from_measured_bold_beat_the_mean(results, modality, metric):
    scores = pooled_scores(results, modality)
    assert scores.loc[(metric, "from_bold"), "value"] > scores.loc[(metric, "floor_mean"), "value"]


def test_the_round_trip_without_a_network_keeps_the_pictures(results):
    scores = pooled_scores(results, "video")["value"]
    assert scores["psnr", "ceiling"] >= 33
    assert scores["ms_ssim", "ceiling"] >= 0.99


def test_motion_from_measured_bold_is_not_by_accident(results):
    scores = pooled_scores(results, "video")
    assert scores.loc[("motion_r", "from_bold"), "ci_low"] > 0
    assert scores.loc[("motion_r", "floor_shifted"), "ci_low"] < 0


def test_the_region_of_words_says_them_and_silent_voxels_say_nothing(results):
    table = pd.read_csv(results / "validate" / "text" / "by_region.csv")
    pooled = table[table["subject"].isna()].set_index("region")
    assert pooled.loc["words", "pairwise"] > 0.75
    assert pooled.loc["words", "q"] < 0.05 < pooled.loc["nothing", "q"]
    assert pooled.loc["words", "pairwise"] > pooled.loc["sound", "pairwise"]


@pytest.mark.parametrize("floor", ["floor_mean", "floor_shifted", "floor_nearest"])
def test_sound_of_the_networks_held_out_predictions_beats_every_floor(audio, floor):
    model = audio.loc[("log_mel_distance", "model")]
    assert model["ci_high"] < audio.loc[("log_mel_distance", floor), "value"]


def test_sound_from_measured_bold_stands_in_every_row(audio):
    for metric in ("log_mel_distance", "log_spectral_distance", "si_sdr", "stoi", "estoi"):
        assert pd.notna(audio.loc[(metric, "from_bold"), "value"]), metric


def test_speech_is_scored_on_the_narrated_clips_only(results, audio):
    clips = pd.read_csv(results / "validate" / "audio" / "clips.tsv", sep="\t")
    model = clips[clips["source"] == "model"]
    assert 0 < model["is_speech"].sum() < len(model)
    assert audio.loc[("stoi", "model"), "n"] == model["is_speech"].sum()
    assert model.loc[~model["is_speech"], ["stoi", "estoi"]].isna().all(axis=None)


def test_report_is_one_file_of_bearable_size(results):
    report = results / "validate" / "report" / "index.html"
    assert 20_000 < report.stat().st_size < 25e6
