"""Sound, picture and words of a study with known answers: scores, samples, floors, bad input."""

import itertools
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
import soundfile

from giblet.errors import ValidationError
from giblet.store import reading
from giblet.validate.audio import make_clips, score_audio
from giblet.validate.audio_decode import decode_audio
from giblet.validate.floors import nearest_by_bold, nearest_by_stimulus, train_moments
from giblet.validate.identification import chance
from giblet.validate.testset import TRAIN, load_test_set, runs_of
from giblet.validate.text import score_text
from giblet.validate.text_retrieval import (
    Sentences,
    far_sentences,
    load_sentences,
    rank_sentences,
)
from giblet.validate.video import score_frames, score_video
from tests.support.caches import edited
from tests.support.validate_inputs import LinearCodec
from tests.unit.validate.conftest import STATISTICS


def values(path):
    table = pd.read_csv(path)
    assert (table["n"] >= 0).all()
    pooled = table[table["subject"].isna()]
    return pooled.set_index(["metric", "source"])["value"]


def decode(inputs, folder, **changed):
    options = {"runs": inputs.planted.runs, "seed": 7, "decode_from": "latents", **changed}
    codec = LinearCodec()
    decode_audio(
        inputs.study, inputs.predictions, inputs.audio, folder=folder, codec=codec, **options
    )
    return folder / "decoded.h5"


@pytest.fixture(scope="module")
def audio(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audio")
    decoded = decode(inputs, folder)
    return scored_audio(inputs, decoded, folder)


def scored_audio(inputs, decoded, folder, **changed):
    options = {"clip_trs": 8, "speech": "auto", "min_speech": 0.5, **STATISTICS, **changed}
    paths = {"metrics": folder / "metrics.csv", "clips": folder / "clips.tsv"}
    paths |= {"trs": folder / "trs.tsv", "series": folder / "series.h5"}
    score_audio(inputs.study, decoded, inputs.baseline, inputs.text, **paths, **options)
    return folder


@pytest.fixture(scope="module")
def video(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("video")
    paths = {"metrics": folder / "metrics.csv", "trs": folder / "trs.tsv"}
    paths["series"] = folder / "series.h5"
    score_video(inputs.study, inputs.predictions, inputs.baseline, **paths, **STATISTICS)
    return folder


def scored_text(inputs, folder):
    paths = {"metrics": folder / "metrics.csv", "retrieved": folder / "retrieved.tsv"}
    paths["trs"] = folder / "trs.tsv"
    score_text(
        inputs.study, inputs.predictions, inputs.baseline, inputs.text, **paths, **STATISTICS
    )
    return folder


@pytest.fixture(scope="module")
def text(inputs, tmp_path_factory):
    return scored_text(inputs, tmp_path_factory.mktemp("text"))


@pytest.mark.parametrize(
    ("modality", "metric", "better"),
    [
        ("video", "psnr", 1),
        ("video", "ssim", 1),
        ("video", "pixel_r", 1),
        ("audio", "si_sdr", 1),
        ("audio", "log_spectral_distance", -1),
        ("audio", "log_mel_distance", -1),
        ("audio", "log_mel_r", 1),
        ("text", "cosine_centred", 1),
        ("text", "retrieval_median_rank", -1),
    ],
)
def test_better_predictions_score_better(request, modality, metric, better):
    found = values(request.getfixturevalue(modality) / "metrics.csv")[metric]
    if modality != "audio":
        assert better * (found["ceiling"] - found["model"]) >= 0
    assert better * (found["model"] - found["from_bold"]) >= 0
    assert better * (found["from_bold"] - found["floor_shifted"]) > 0


@pytest.mark.parametrize("modality", ["video", "audio", "text"])
def test_identification_from_bold_works_and_its_floors_do_not(request, modality):
    found = values(request.getfixturevalue(modality) / "metrics.csv")
    assert found["identification_pairwise", "from_bold"] > 0.7
    assert found["identification_p", "from_bold"] < 0.05
    assert found["identification_pairwise", "floor_shifted"] < 0.65
    assert found["identification_pairwise", "chance"] == 0.5
    assert found["identification_pairwise", "ridge"] > 0.8
    for name in ("top1", "top5", "pairwise", "rank"):
        metric = f"identification_{name}"
        assert found[metric, "floor_mean"] == pytest.approx(found[metric, "chance"], rel=1e-4)


def test_from_measured_and_from_predicted_bold_are_separate(video):
    table = pd.read_csv(video / "metrics.csv")
    rows = table[table["metric"] == "ssim"]
    assert rows.loc[rows["source"] == "from_predicted", "subject"].isna().all()
    subjects = rows.loc[rows["source"] == "from_bold", "subject"].fillna("").tolist()
    assert subjects == ["sub-01", "sub-02", ""]


def speech_in_run_1_until(inputs, folder, tr):
    """Text tables in which something is said in run 1 before a TR and of run 2 nothing is known."""
    paths = []
    for path in inputs.text:
        table = pd.read_csv(path, sep="\t")
        first = path.parent.name == "run-1"
        table["speech"] = np.where(table["tr"] < tr, 1.0, 0.0) if first else np.nan
        (folder / path.parent.name).mkdir()
        paths.append(folder / path.parent.name / "text.tsv")
        table.to_csv(paths[-1], sep="\t", index=False)
    return replace(inputs, text=paths)


def test_speech_is_scored_where_the_annotation_says_so(inputs, audio, tmp_path):
    changed = speech_in_run_1_until(inputs, tmp_path, 101)
    scored_audio(changed, audio / "decoded.h5", tmp_path)
    clips = pd.read_csv(tmp_path / "clips.tsv", sep="\t")
    said = (clips["run"] == "run-1") & (clips["tr_start"] < 98)
    np.testing.assert_array_equal(clips["is_speech"], said)
    assert clips.loc[clips["run"] == "run-2", "speech"].isna().all()
    for name in ("stoi", "estoi"):
        np.testing.assert_array_equal(clips[name].notna(), said)
    assert clips["si_sdr"].notna().all()
    table = pd.read_csv(tmp_path / "metrics.csv")
    model = table[table["source"] == "model"].set_index("metric")["n"]
    assert (model["stoi"], model["estoi"], model["log_mel_distance"]) == (1, 1, 8)
    # What is scored is what it was: only which clips count has changed.
    before = pd.read_csv(audio / "clips.tsv", sep="\t")
    np.testing.assert_array_equal(before.loc[said, "stoi"], clips.loc[said, "stoi"])


@pytest.mark.parametrize(("speech", "n"), [("always", 8), ("never", 0)])
def test_all_clips_or_none_can_count_as_speech(inputs, audio, tmp_path, speech, n):
    changed = speech_in_run_1_until(inputs, tmp_path, 101)
    scored_audio(changed, audio / "decoded.h5", tmp_path, speech=speech)
    table = pd.read_csv(tmp_path / "metrics.csv")
    rows = table[(table["metric"] == "stoi") & (table["source"] == "ceiling")]
    assert rows["n"].tolist() == [n]
    assert rows["value"].notna().tolist() == [n > 0]


def test_ridge_stands_in_the_row_of_the_log_mel_distance(inputs, audio):
    found = values(audio / "metrics.csv")["log_mel_distance"]
    assert found["ridge"] < found["floor_shifted"]
    assert found["ridge"] < found["floor_nearest"]


def test_a_text_table_without_shares_of_speech_is_refused(inputs, audio, tmp_path):
    changed = speech_in_run_1_until(inputs, tmp_path, 101)
    table = pd.read_csv(changed.text[1], sep="\t")
    table.head(100).to_csv(changed.text[1], sep="\t", index=False)
    with pytest.raises(ValidationError, match=r"text\.tsv has 100 TRs, the study 120 for run-2"):
        scored_audio(changed, audio / "decoded.h5", tmp_path)
    table.drop(columns="speech").to_csv(changed.text[1], sep="\t", index=False)
    with pytest.raises(ValidationError, match=r"text\.tsv: no column 'speech'; .*run stimulus"):
        scored_audio(changed, audio / "decoded.h5", tmp_path)
    with pytest.raises(ValidationError, match=r"no text table of run run-2 .*\(have run-1\)"):
        scored_audio(replace(changed, text=changed.text[:1]), audio / "decoded.h5", tmp_path)


def test_wavs_are_whole_test_blocks_at_the_codecs_rate(inputs, audio):
    for run in inputs.planted.runs:
        for source in ("original", "ceiling", "model", "from_bold", "from_predicted"):
            info = soundfile.info(audio / f"{run}_{source}.wav")
            assert (info.samplerate, info.channels, info.subtype) == (12000, 1, "PCM_16")
            assert info.frames == 30 * 18000
    shown = pd.read_csv(audio / "shown.tsv", sep="\t")
    assert len(shown) == 10
    # sub-02 was not scanned in run 2.
    row = shown[(shown["run"] == "run-2") & (shown["source"] == "from_bold")]
    assert row["subject"].tolist() == ["sub-01"]


def test_original_is_the_stimulus_sample_by_sample(inputs, audio):
    whole, _ = soundfile.read(inputs.audio[0], dtype="int16")
    block, _ = soundfile.read(audio / "run-1_original.wav", dtype="int16")
    # Reading as float and writing as 16 bit moves a sample by one step at most.
    assert np.abs(whole[90 * 18000 : 120 * 18000].astype(int) - block).max() <= 1


def test_decoded_sound_lies_where_the_original_does(inputs, tmp_path):
    perfect = tmp_path / "predictions.h5"
    shutil.copy(inputs.predictions, perfect)
    with edited(perfect) as file, reading(inputs.study) as study:
        for run in inputs.planted.runs:
            trs = file[f"runs/{run}/test_trs"][:]
            index = study[f"runs/{run}/audio_index"][:]
            latents = study[f"runs/{run}/audio_latents"][index[trs[0], 0] : index[trs[-1], 1]]
            file[f"runs/{run}/latents/model/shared"][:] = latents
    decode(replace(inputs, predictions=perfect), tmp_path)
    for run in inputs.planted.runs:
        original, _ = soundfile.read(tmp_path / f"{run}_original.wav")
        model, _ = soundfile.read(tmp_path / f"{run}_model.wav")
        # All but the first frame of a block, part of which lies before it.
        assert np.corrcoef(original[320:], model[320:])[0, 1] > 0.99


def test_sound_from_codes_is_the_ceiling_when_the_codes_are_right(inputs, tmp_path):
    decode(inputs, tmp_path, decode_from="codes")
    ceiling, _ = soundfile.read(tmp_path / "run-1_ceiling.wav")
    model, _ = soundfile.read(tmp_path / "run-1_model.wav")
    np.testing.assert_array_equal(model, ceiling)


def test_clips_tile_the_test_blocks(inputs):
    with reading(inputs.study) as study:
        tests = load_test_set(study)
    clips = [clip for clip in make_clips(tests, 12000, 8) if clip.run == "run-1"]
    assert next(clip.start for clip in clips) == 90
    assert clips[-1].stop == 120
    assert clips[0].samples.start == 0
    assert clips[-1].samples.stop == 30 * 18000
    for one, after in itertools.pairwise(clips):
        assert (one.stop, one.samples.stop) == (after.start, after.samples.start)


def test_same_frames_are_perfect_and_rows_are_trs(video):
    frames = np.random.default_rng(0).integers(0, 255, size=(3, 2, 12, 16, 3), dtype=np.uint8)
    found = score_frames(frames, frames)
    assert (found["psnr"] == 100).all()
    np.testing.assert_allclose(found["ssim"], 1)
    rows = pd.read_csv(video / "trs.tsv", sep="\t")
    per_source = rows[rows["source"] == "model"]
    assert len(per_source) == 60
    assert set(rows["source"]) >= {"ceiling", "from_bold", "ridge", "floor_nearest"}


def test_mp4_keeps_the_pictures(video):
    assert values(video / "metrics.csv")["psnr", "ceiling"] > 30


def test_retrieval_by_hand():
    texts = Sentences(["a", "b", "c"], np.eye(3, dtype=np.float32), {})
    found = np.array([[3, 0, 1.0], [1, 2, 0.5], [1, 1, 0], [1, 2, 3]])
    number = np.array([0, 0, 1, -1])
    ranked = rank_sentences(found, texts, number, np.zeros(3))
    np.testing.assert_array_equal(ranked.rank, [1, 2, 1.5, np.nan])
    np.testing.assert_array_equal(ranked.hits[1], [1, 0, 0.5, np.nan])
    np.testing.assert_array_equal(ranked.best[[0, 1, 3]], [0, 1, 2])


def test_far_sentences_are_those_that_stand_nowhere_near(inputs):
    with reading(inputs.study) as study:
        tests = load_test_set(study)
        sentences = load_sentences(study, inputs.text)
    far = far_sentences(sentences, tests, 15)
    assert far.shape == (tests.n, len(sentences.text))
    for place in range(0, tests.n, 7):
        run, tr = tests.run_name[place], tests.tr[place]
        for number in range(len(sentences.text)):
            at = np.flatnonzero(sentences.of_tr[run] == number)
            assert far[place, number] == (np.abs(at - tr) * 1.5 >= 15).all()


def test_far_sentences_of_a_film_shown_again_are_those_of_the_film(inputs):
    with reading(inputs.study) as study:
        tests = replace(load_test_set(study), repeats={"run-2": "run-1"})
        sentences = load_sentences(study, inputs.text)
    far = far_sentences(sentences, tests, 15)
    near_in_the_other = sentences.of_tr["run-1"][tests.tr[-1]]
    assert tests.run_name[-1] == "run-2"
    assert near_in_the_other < 0 or not far[-1, near_in_the_other]


def test_retrieval_among_far_sentences_by_hand():
    texts = Sentences(["a", "b", "c"], np.eye(3, dtype=np.float32), {})
    found = np.array([[1, 2, 0.5], [1, 2, 0.5], [1, 2, 3]])
    allowed = np.array([[True, False, True], [False, True, True], [True, True, True]])
    ranked = rank_sentences(found, texts, np.array([0, 0, -1]), np.zeros(3), allowed)
    np.testing.assert_array_equal(ranked.rank, [1, 2, np.nan])
    np.testing.assert_array_equal(ranked.n_candidates, [2, 3, 0])
    np.testing.assert_array_equal(ranked.hits[1], [1, 0, np.nan])


@pytest.mark.parametrize("prefix", ["retrieval", "retrieval_far"])
def test_retrieval_of_the_mean_is_exactly_chance(text, prefix):
    found = values(text / "metrics.csv")
    for k in (1, 5, 10):
        name = f"{prefix}_top{k}"
        assert found[name, "floor_mean"] == pytest.approx(found[name, "chance"], rel=1e-4)
        assert found[name, "model"] > 2 * found[name, "chance"]
    assert found[f"{prefix}_median_rank", "ceiling"] == 1
    assert found["cosine_centred", "floor_mean"] == 0
    assert found["cosine", "ceiling"] == pytest.approx(1)


def test_retrieved_table_lists_every_test_tr_with_text(text):
    rows = pd.read_csv(text / "retrieved.tsv", sep="\t")
    assert set(rows["source"]) == {"model", "from_bold", "from_predicted", "ridge"}
    assert len(rows[rows["source"] == "model"]) == 60 - 3
    first = rows[rows["rank"] == 1]
    assert (first["true_text"] == first["retrieved_text"]).mean() > 0.95


def test_film_without_words_is_scored_as_nothing(inputs, tmp_path):
    for path in inputs.text:
        table = pd.read_csv(path, sep="\t").assign(text="")
        (tmp_path / path.parent.name).mkdir()
        table.to_csv(tmp_path / path.parent.name / "text.tsv", sep="\t", index=False)
    silent = [tmp_path / path.parent.name / "text.tsv" for path in inputs.text]
    folder = scored_text(replace(inputs, text=silent), tmp_path)
    assert pd.read_csv(folder / "retrieved.tsv", sep="\t").empty
    assert pd.read_csv(folder / "metrics.csv")["value"].isna().all()


def test_sentence_numbers_follow_the_table(inputs):
    with reading(inputs.study) as study:
        sentences = load_sentences(study, inputs.text)
    table = pd.read_csv(inputs.text[1], sep="\t", keep_default_na=False)
    number = sentences.of_tr["run-2"]
    for tr in (0, 40, 80):
        assert sentences.text[number[tr]] == table["text"][tr]
    assert (number[-3:] == -1).all()


def test_nearest_moments_are_training_trs(inputs):
    with reading(inputs.study) as study:
        tests = load_test_set(study)
        for subject in inputs.planted.subjects:
            runs = runs_of(study, subject)
            found = nearest_by_bold(study, tests.of_runs(runs), subject, runs)
            for run, tr in zip(found.run, found.tr, strict=True):
                assert run in runs
                assert study[f"runs/{run}/split"][tr] == TRAIN
                assert study[f"runs/{run}/split"][tr + 4] == TRAIN


def test_nearest_moment_by_stimulus_is_the_same_picture_when_there_is_one(inputs):
    with reading(inputs.study) as study:
        tests = load_test_set(study)
        runs = list(inputs.planted.runs)
        train = train_moments(study, runs)
        files = {run: h5py.File(p, "r") for run, p in zip(runs, inputs.regressors, strict=True)}
        copied = {run: _Copy(file, train, tests, run) for run, file in files.items()}
        found = nearest_by_stimulus(study, copied, tests, runs)
    assert found.tr[0] == train.tr[5]
    assert found.run[0] == train.run[5]


class _Copy:
    """Regressors whose first test TR repeats training TR number 5."""

    def __init__(self, file, train, tests, run):
        self.values = {name: file[f"hrf/{name}"][:] for name in file["hrf"]}
        if run == tests.runs[0] == train.run[5]:
            for values in self.values.values():
                values[tests.trs[0][0]] = values[train.tr[5]]

    def __getitem__(self, name):
        return self.values if name == "hrf" else self.values[name.removeprefix("hrf/")]


def test_chance_of_identification_counts_the_candidates():
    assert chance(np.array([4, 4, 2]))["top1"] == pytest.approx((0.25 + 0.25 + 0.5) / 3)


def test_too_short_training_stretches_are_refused(inputs, tmp_path):
    shutil.copy(inputs.study, tmp_path / "study.h5")
    with edited(tmp_path / "study.h5") as file:
        for run in file["runs"].values():
            split = run["split"][:]
            split[(split == TRAIN) & (np.arange(len(split)) % 3 > 0)] = -1
            run["split"][:] = split
        with pytest.raises(ValidationError, match="no stretch of training TRs is longer than 4"):
            train_moments(file, ["run-1", "run-2"], after_trs=4)


def test_soundtrack_at_another_rate_is_refused(inputs, tmp_path):
    paths = []
    for path in inputs.audio:
        sound, _ = soundfile.read(path)
        (tmp_path / path.parent.name).mkdir()
        paths.append(tmp_path / path.parent.name / "audio.wav")
        soundfile.write(paths[-1], sound, 8000)
    with pytest.raises(ValidationError, match=r"has 8000 Hz, the study was made at 12000 Hz"):
        decode(replace(inputs, audio=paths), tmp_path)


def test_frames_of_another_size_are_refused(inputs, tmp_path):
    shutil.copy(inputs.predictions, tmp_path / "predictions.h5")
    with edited(tmp_path / "predictions.h5") as file:
        del file["runs/run-1/video/model/shared"]
        file["runs/run-1/video/model/shared"] = np.zeros((30, 2, 9, 16, 3), np.uint8)
    bad = replace(inputs, predictions=tmp_path / "predictions.h5")
    paths = {"metrics": tmp_path / "m.csv", "trs": tmp_path / "t.tsv", "series": tmp_path / "s.h5"}
    with pytest.raises(ValidationError, match=r"shape \(2, 9, 16, 3\), the study's \(2, 12, 16"):
        score_video(bad.study, bad.predictions, bad.baseline, **paths, **STATISTICS)


def test_text_table_of_fewer_trs_is_refused(inputs, tmp_path):
    (tmp_path / "run-1").mkdir()
    path = tmp_path / "run-1" / "text.tsv"
    pd.read_csv(inputs.text[0], sep="\t").head(100).to_csv(path, sep="\t", index=False)
    with pytest.raises(ValidationError, match=r"has 100 TRs, the study 120 for run-1"):
        scored_text(replace(inputs, text=[path, inputs.text[1]]), tmp_path)
