"""There and back again, for every modality: what is lost on the way that results are shown.

frames -> MP4 -> frames, codes -> WAV -> codes, embedding -> sentence, matrix -> NIfTI -> matrix.
"""

from fractions import Fraction
from itertools import product

import h5py
import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.features.codec import Codec
from giblet.features.codec_material import synthetic_pool
from giblet.features.text import embed_texts
from giblet.sound_scores import at_stoi_rate, stoi_10khz
from giblet.stimulus.video import extract_frames
from giblet.store import reading
from giblet.validate.film import read_film, write_film
from giblet.validate.fmri_maps import write_maps
from giblet.validate.picture_scores import psnr
from giblet.validate.text import Sentences, rank_sentences
from tests.support.validate_files import make_validate_files
from tests.unit.stimulus.made_films import make_film

RATE_HZ = 12000


def scenes(n, height=90, width=160):
    """Smooth moving pictures with edges and grain, like frames of a film."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0:width] / height
    out = []
    for k in range(n):
        base = 128 + 70 * np.sin(3 * x + 0.2 * k) * np.cos(2 * y)
        picture = np.stack([base, base[::-1], 255 - base], axis=2)
        left = 10 + 3 * k % 100
        picture[30:60, left : left + 40] = (200, 60, 40)
        picture += 2 * rng.normal(size=picture.shape)
        out.append(picture.clip(0, 255).astype(np.uint8))
    return out


def test_frames_to_mp4_and_back(tmp_path):
    """Decode a film, cache its frames, encode these again, decode: at least 33 dB."""
    tr_s, per_tr, n_trs = Fraction(1), 4, 6
    film = make_film(
        tmp_path / "film.mp4", [Fraction(k, 4) for k in range(n_trs * per_tr)], scenes(24)
    )
    cache = tmp_path / "frames.h5"
    extract_frames(
        film, cache, run="run-1", tr_s=tr_s, n_trs=n_trs, movie_onset_s=0,
        frames_per_tr=per_tr, width=160, height=90, fit="letterbox",
    )  # fmt: skip
    with reading(cache, stage="stimulus") as file:
        cached = file["frames"][:].reshape(-1, 90, 160, 3)
    decoded = [psnr(a, b) for a, b in zip(scenes(24), cached, strict=True)]
    assert np.mean(decoded) >= 33
    write_film(tmp_path / "again.mp4", cached, Fraction(4), scale=2, crf=18)
    back = read_film(tmp_path / "again.mp4", 90, 160)
    assert back.shape == cached.shape
    again = [psnr(a, b) for a, b in zip(cached, back, strict=True)]
    assert np.mean(again) >= 33
    assert np.min(again) >= 30


@pytest.fixture(scope="module")
def codec():
    return Codec.load("giblet-12khz", RATE_HZ, 8, 3.0)


@pytest.fixture(scope="module")
def speech():
    return synthetic_pool(RATE_HZ, 0.2, seed=4).speech[: 8 * RATE_HZ]


def through_wav(path, sound):
    import soundfile

    soundfile.write(path, sound, RATE_HZ, subtype="PCM_16", format="WAV")
    back, rate_hz = soundfile.read(path, dtype="float32")
    assert rate_hz == RATE_HZ
    return back


def test_sound_to_wav_and_back(tmp_path, speech):
    """A WAV file keeps every sample to half a step of 16 bits."""
    back = through_wav(tmp_path / "sound.wav", speech)
    np.testing.assert_allclose(back, speech, atol=1 / 32768)


def test_codes_to_wav_and_back(tmp_path, codec, speech):
    """Codes heard as a WAV and encoded again are nearly the same sound.

    A codec that loses something does not give back every code, the finest ones least. Chance
    is one in 1,024.
    """
    codes, _ = codec.encode(speech)
    heard = through_wav(tmp_path / "codes.wav", codec.decode_codes(codes))
    again, _ = codec.encode(heard)
    assert again.shape == codes.shape
    same = (again == codes).mean(axis=1)
    assert same[0] >= 0.4
    assert same.mean() >= 0.15
    twice = codec.decode_codes(again)[: len(heard)]
    assert stoi_10khz(at_stoi_rate(heard, RATE_HZ), at_stoi_rate(twice, RATE_HZ)) >= 0.85


def test_codes_are_kept_exactly_by_the_cache(tmp_path, codec, speech):
    codes, latents = codec.encode(speech)
    with h5py.File(tmp_path / "codes.h5", "w") as file:
        file["codes"], file["latents"] = codes, latents
    with h5py.File(tmp_path / "codes.h5") as file:
        np.testing.assert_array_equal(file["codes"][:], codes)
        np.testing.assert_array_equal(
            codec.decode_codes(file["codes"][:]), codec.decode_codes(codes)
        )


TEXTS = [
    f"A {colour} {thing} {does} in the {place}."
    for colour, thing, does, place in product(
        ("red", "blue", "plain green"),
        ("ball", "dog", "car"),
        ("rises", "falls", "waits"),
        ("forest", "city", "desert"),
    )
]


@pytest.fixture(scope="module")
def sentences():
    embedding = embed_texts(TEXTS)
    return Sentences(TEXTS, embedding, {"run-1": np.arange(len(TEXTS))})


def test_embedding_to_sentence_and_back(sentences):
    """The embedding of a sentence retrieves that sentence, among 81 that are much alike."""
    found = rank_sentences(
        embed_texts(TEXTS), sentences, np.arange(len(TEXTS)), sentences.embedding.mean(0)
    )
    assert [sentences.text[k] for k in found.best] == TEXTS
    assert (found.rank == 1).all()
    np.testing.assert_allclose(found.cosine, 1, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000))
def test_embedding_may_be_wrong_by_less_than_half_the_way_to_the_next(sentences, seed):
    embedding, mean = sentences.embedding, sentences.embedding.mean(0)
    units = (embedding - mean) / np.linalg.norm(embedding - mean, axis=1, keepdims=True)
    nearest = np.sort(np.linalg.norm(units[:, None] - units[None], axis=2), axis=1)[:, 1]
    error = np.random.default_rng(seed).normal(size=units.shape)
    error *= 0.49 * nearest[:, None] / np.linalg.norm(error, axis=1, keepdims=True)
    found = rank_sentences(units + error + mean, sentences, np.arange(len(TEXTS)), mean)
    assert (found.rank == 1).all()


def test_matrix_to_nifti_and_back(tmp_path):
    """Maps read by nilearn through the mask are the matrix, bit for bit."""
    from nilearn.maskers import NiftiMasker

    make_validate_files(tmp_path / "validate")
    voxels = tmp_path / "validate/fmri/voxels.h5"
    write_maps(voxels, tmp_path / "maps")
    with h5py.File(voxels) as file:
        affine, shape = file["affine"][:], tuple(file.attrs["grid_shape"])
        inside = np.zeros(shape, np.uint8)
        inside[tuple(file["ijk"][:].T)] = 1
        names = ("r", "r_normalised", "q", "delay_s")
        matrix = np.stack([file[f"sub-01/{name}"][:] for name in names])
    masker = NiftiMasker(nibabel.Nifti1Image(inside, affine), dtype="float32").fit()
    images = [str(tmp_path / "maps" / f"sub-01_{name}.nii.gz") for name in names]
    back = np.concatenate([np.atleast_2d(masker.transform(image)) for image in images])
    np.testing.assert_array_equal(back, matrix)
    again = masker.inverse_transform(back)
    np.testing.assert_array_equal(np.asarray(again.dataobj)[inside.astype(bool)].T, matrix)
