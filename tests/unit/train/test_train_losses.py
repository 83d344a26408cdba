"""Losses as fractions: a constant predictor scores 1, whatever the study."""

import hdf5plugin  # noqa: F401
import numpy as np
import pytest
import torch

from giblet.errors import TrainError
from giblet.model.stimulus import Decoded
from giblet.train.data import open_study
from giblet.train.losses import (
    Constant,
    brain_sums,
    floors,
    fractions,
    frames_out_index,
    mean_fractions,
    stimulus_sums,
    weighted,
)
from giblet.train.sound import sound_losses
from giblet.train.sums import Sums
from giblet.train.windows import tiles
from tests.support.caches import edited
from tests.support.codecs import small_codec, with_codec
from tests.support.networks import TRAINING
from tests.support.study_files import make_study

SIZES = {"length": 16, "context": 0, "follow": 2}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("losses") / "study.h5"
    make_study(path, (70, 70), n_voxels=24, missing=[("sub-02", "run-2")], n_dead_voxels=3)
    with_codec(path, small_codec(path.parent / "codec"))
    with open_study(path) as opened:
        yield opened


SOUND = {
    "plain": {},
    "white": {"latents_whitening": "full"},
    "soft": {"code_temperature": 0.5},
    "coarse": {"code_decay": 0.5},
    "all": {
        "latents_whitening": "full", "code_temperature": 2.0, "code_decay": 0.7,
        "latents_weight": 3.0, "spectrum_weight": 0.5, "spectrum_trs": 3,
    },
}  # fmt: skip


def sound_of(study, name="plain"):
    return sound_losses(study, {**TRAINING, **SOUND[name]})


def batches(study, split):
    for window in tiles(study.segments(split), 16):
        yield study.batch([window], subjects=[0, 1], split=split, **SIZES)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("name", SOUND)
def test_constant_predictor_scores_one(study, split, name):
    """However labels are softened, codebooks weighted and latents whitened."""
    torch.set_num_threads(1)
    sound = sound_of(study, name)
    floor = floors(study, split, 1, 16, sound)
    constant, sums = Constant(study, 1, sound.codes.log_unigram), Sums()
    for batch in batches(study, split):
        brain_sums(
            sums,
            torch.zeros_like(batch.bold[:, :, :16]),
            batch,
            torch.from_numpy(study.voxel_valid),
        )
        with torch.no_grad():
            stimulus_sums(sums, constant(1, 16), batch.stimulus, batch.target, sound)
    assert ("spectrum" in floor) == (name == "all")
    for term, value in sums.means().items():
        assert float(value) == pytest.approx(floor[term], rel=1e-5), term
    parts = fractions(sums.means(), floor, sound.weights)
    assert set(parts) == {"brain", "video", "audio", "text"}
    for modality, value in parts.items():
        assert float(value) == pytest.approx(1.0, rel=1e-5), modality


def test_floors_are_variances_and_entropies_of_the_training_trs(study):
    floor = floors(study, "train", 1, 16, sound_of(study))
    file = study.file
    kept = {run.name: run.split == 0 for run in study.runs}
    text = [file[f"runs/{r}/text"][:][k & file[f"runs/{r}/text_valid"][:]] for r, k in kept.items()]
    assert floor["text"] == pytest.approx(np.concatenate(text).var(0).mean(), rel=1e-4)
    video = np.concatenate([file[f"runs/{r}/video"][:][k] for r, k in kept.items()])[:, [1]] / 255
    assert floor["video"] == pytest.approx(video.var(0).mean(), rel=1e-4)
    share = study.code_counts / study.code_counts.sum(1, keepdims=True)
    entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(1).mean()
    assert floor["codes"] == pytest.approx(entropy, rel=0.02)
    assert floor["latents"] == pytest.approx(1.0, rel=1e-3)
    white = floors(study, "train", 1, 16, sound_of(study, "white"))["latents"]
    assert white == pytest.approx(1.0, rel=1e-2)
    assert floor["brain"] == pytest.approx(1.0, rel=1e-3)


def truth(batch, study):
    shown = batch.stimulus
    frames = shown.video[:, :, [1]].movedim(-1, 3).float() / 255
    logits = torch.full((*shown.codes.shape, study.codebook_size), -50.0)
    logits.scatter_(-1, shown.codes[..., None], 50.0)
    return Decoded(frames, shown.latents.clone(), logits, shown.text.clone())


def test_perfect_prediction_scores_zero_and_masked_places_do_not_count(study):
    batch = next(batches(study, "train"))
    made = truth(batch, study)
    shown = batch.stimulus
    # Whatever is predicted where nothing is asked costs nothing.
    made.text[~shown.text_valid] = 99
    made.latents[~shown.audio_mask] = 99
    made.video[~batch.target] = 99
    sums = Sums()
    stimulus_sums(sums, made, shown, batch.target, sound_of(study))
    brain_sums(sums, batch.bold[:, :, :16], batch, torch.from_numpy(study.voxel_valid))
    for term, value in sums.means().items():
        assert float(value) == pytest.approx(0.0, abs=1e-9), term


def test_invalid_voxels_and_missing_scans_do_not_count(study):
    valid = torch.from_numpy(study.voxel_valid)
    batch = next(b for b in batches(study, "train") if b.windows[0].run == 1)
    wrong = batch.bold[:, :, :16].clone()
    wrong[1] = 99
    wrong[0, ..., -3:] = 99
    sums = Sums()
    brain_sums(sums, wrong, batch, valid)
    assert float(sums.means()["brain"]) == 0.0
    wrong[0, ..., 0] += 1
    sums = Sums()
    brain_sums(sums, wrong, batch, valid)
    assert float(sums.means()["brain"]) == pytest.approx(1 / 21)


def test_study_without_words_has_no_text_loss(tmp_path):
    path = tmp_path / "study.h5"
    make_study(path, (50,), n_voxels=8)
    with edited(path) as file:
        file["runs/run-1/text_valid"][:] = False
        file["runs/run-1/text"][:] = 0
    with open_study(path) as study:
        floor = floors(study, "train", 1, 16, sound_of(study))
        assert "text" not in floor
        sums = Sums()
        batch = next(batches_of(study))
        sound = sound_of(study)
        constant = Constant(study, 1, sound.codes.log_unigram)
        stimulus_sums(sums, constant(1, 16), batch.stimulus, batch.target, sound)
        assert set(fractions(sums.means(), floor)) == {"video", "audio"}


def batches_of(study):
    for window in tiles(study.segments("train"), 16):
        yield study.batch([window], subjects=[0], split="train", **SIZES)


def test_constant_bold_is_refused(tmp_path):
    path = tmp_path / "study.h5"
    make_study(path, (50,), n_voxels=8, n_subjects=1)
    with edited(path) as file:
        file["runs/run-1/bold/sub-01"][:] = 0
    with open_study(path) as study, pytest.raises(TrainError, match="BOLD is constant"):
        floors(study, "train", 1, 16, sound_of(study))


def test_weights_make_a_mean_of_fractions():
    weights = {"brain": 2.0, "video": 1.0, "audio": 0.0, "text": 1.0}
    assert weighted({"brain": 0.5, "video": 1.0, "audio": 9.0}, weights) == pytest.approx(2 / 3)
    assert weighted(dict.fromkeys(weights, 1.0), weights) == pytest.approx(1.0)
    assert mean_fractions([{"a": 1.0, "b": 2.0}, {"a": 3.0}]) == {"a": 2.0, "b": 2.0}


def test_frames_made_are_spread_over_those_shown():
    assert frames_out_index(4, 2) == [1, 3]
    assert frames_out_index(4, 4) == [0, 1, 2, 3]
    assert frames_out_index(8, 1) == [4]
    assert frames_out_index(1, 1) == [0]
