"""Figures and samples: all of them made, nothing chosen by eye, parcels too."""

import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
import soundfile
from matplotlib import image

from giblet.validate.audio_figures import draw_audio
from giblet.validate.fmri_figures import canonical, draw_fmri
from giblet.validate.text_figures import draw_text, draw_text_regions
from giblet.validate.video import score_video
from giblet.validate.video_figures import KINDS, choose_examples, draw_video
from giblet.validate.video_panels import write_triptychs
from giblet.validate.video_strips import strip_places
from tests.support.caches import edited
from tests.support.validate_files import make_validate_files
from tests.unit.validate.conftest import STATISTICS

SMALL = {"dpi": 40}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_validate_files(tmp_path_factory.mktemp("files"))


def tables(files):
    return [files / "fmri" / f"{n}.csv" for n in ("metrics", "by_region", "by_run", "partition")]


@pytest.mark.parametrize("kind", ["voxels", "parcels"])
def test_fmri_figures(files, tmp_path, kind):
    shutil.copy(files / "fmri" / "voxels.h5", tmp_path / "voxels.h5")
    with edited(tmp_path / "voxels.h5") as file:
        file.attrs["kind"] = kind
        file["sub-02/r"][:5] = np.nan
    draw_fmri(tmp_path / "voxels.h5", *tables(files), tmp_path, n_slices=3, **SMALL)
    maps = ("r", "r_normalised", "q", "delay_s", "best")
    names = [f"{s}_{m}" for s in ("sub-01", "sub-02") for m in maps]
    names += ["glass_r", "glass_r_ridge", "glass_delay", "model_vs_ridge", "regions"]
    names += ["subjects", "runs"]
    names += ["partition", *(f"glass_unique_{m}" for m in ("video", "audio", "text"))]
    for name in names:
        pixels = image.imread(tmp_path / f"{name}.png")
        assert pixels[..., :3].std() > 0.02, name


def test_all_unknown_scores_still_make_figures(files, tmp_path):
    # A single subject has no ceiling, a short film no significant voxel.
    shutil.copy(files / "fmri" / "voxels.h5", tmp_path / "voxels.h5")
    with edited(tmp_path / "voxels.h5") as file:
        for subject in ("sub-01", "sub-02"):
            file[f"{subject}/r_normalised"][:] = np.nan
            file[f"{subject}/q_ridge"][:] = 1
    draw_fmri(tmp_path / "voxels.h5", *tables(files), tmp_path, n_slices=2, **SMALL)
    assert (tmp_path / "sub-01_r_normalised.png").exists()


def test_left_of_the_picture_is_left_of_the_brain(tmp_path):
    # The affine runs from right to left, as scanners often store it.
    with h5py.File(tmp_path / "voxels.h5", "w") as file:
        file.attrs["kind"] = "voxels"
        file.attrs["grid_shape"] = [4, 4, 4]
        file["ijk"] = np.array([[0, 1, 2], [3, 1, 2]])
        file["affine"] = np.diag([-3.0, 3, 3, 1])
        volume, inside = canonical(file, np.array([10.0, 20.0]))
    assert volume[3, 1, 2] == 10
    assert volume[0, 1, 2] == 20
    assert inside.sum() == 2


def test_spectrograms(files, tmp_path):
    wavs = sorted((files / "audio").glob("*.wav"))
    draw_audio(wavs, tmp_path, **SMALL)
    assert {path.name for path in tmp_path.iterdir()} == {
        "run-1_spectrograms.png",
        "run-2_spectrograms.png",
    }


def test_retrieval_figure(files, tmp_path):
    draw_text(files / "text" / "retrieved.tsv", tmp_path / "ranks.png", **SMALL)
    assert image.imread(tmp_path / "ranks.png").std() > 0.05
    empty = pd.read_csv(files / "text" / "retrieved.tsv", sep="\t").head(0)
    empty.to_csv(tmp_path / "empty.tsv", sep="\t", index=False)
    draw_text(tmp_path / "empty.tsv", tmp_path / "none.png", **SMALL)
    assert (tmp_path / "none.png").exists()
    regions = files / "text" / "by_region.csv"
    draw_text_regions(regions, tmp_path / "regions.png", **SMALL)
    assert image.imread(tmp_path / "regions.png").std() > 0.05
    pd.read_csv(regions).head(0).to_csv(tmp_path / "no.csv", index=False)
    draw_text_regions(tmp_path / "no.csv", tmp_path / "no.png", **SMALL)
    assert (tmp_path / "no.png").exists()


@pytest.fixture(scope="module")
def drawn(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("video")
    paths = {"metrics": folder / "metrics.csv", "trs": folder / "trs.tsv"}
    paths["series"] = folder / "series.h5"
    score_video(inputs.study, inputs.predictions, inputs.baseline, **paths, **STATISTICS)
    options = {
        "runs": inputs.planted.runs,
        "n_examples": 2,
        "n_strip": 5,
        "scale": 2,
        "crf": 30,
        **SMALL,
    }
    draw_video(inputs.study, inputs.predictions, folder / "trs.tsv", folder, seed=7, **options)
    return folder


def test_films_and_stills_are_there(inputs, drawn):
    import av

    for run in inputs.planted.runs:
        for source in ("original", "model", "from_bold", "from_predicted"):
            with av.open(str(drawn / f"{run}_{source}.mp4")) as film:
                assert sum(1 for _ in film.decode(video=0)) == 30 * 2
    examples = pd.read_csv(drawn / "examples.tsv", sep="\t")
    assert len(examples) == 8
    assert all((drawn / name).exists() for name in examples["file"])
    assert (drawn / "scores.png").exists()
    for run in inputs.planted.runs:
        assert image.imread(drawn / f"{run}_strip.png")[..., :3].std() > 0.05


def test_strips_show_the_middles_of_equal_parts():
    assert strip_places(60, 3).tolist() == [10, 30, 50]
    assert strip_places(3, 10).tolist() == [0, 1, 2]


def test_triptychs_are_the_three_films_beside_each_other_with_the_sound(inputs, tmp_path):
    import av

    from giblet.store import reading
    from giblet.validate.testset import load_test_set
    from giblet.validate.video import shown_frames

    options = {"runs": inputs.planted.runs, "seed": 7, "scale": 8, "crf": 4}
    paths = (inputs.study, inputs.predictions, inputs.audio, tmp_path)
    write_triptychs(*paths, **options)
    with reading(inputs.study) as study, reading(inputs.predictions) as predicted:
        shown = shown_frames(study, predicted, load_test_set(study))[:30].reshape(60, 12, 16, 3)
        network = predicted["runs/run-1/video/model/shared"][:].reshape(60, 12, 16, 3)
        measured = predicted["runs/run-1/video/from_bold/sub-02"][:].reshape(60, 12, 16, 3)
        whole = predicted["runs/run-1/test_trs"][:]
    with av.open(str(tmp_path / "run-1_triptych.mp4")) as film:
        pictures = np.stack([f.to_ndarray(format="rgb24") for f in film.decode(video=0)])
    assert pictures.shape == (60, 28 + 12 * 8, 3 * 16 * 8 + 2 * 8, 3)
    for place, frames in enumerate((shown, network, measured)):
        left = place * (16 * 8 + 8)
        panel = pictures[:, 28:, left : left + 16 * 8].astype(float)
        cells = panel.reshape(60, 12, 8, 16, 8, 3).mean((2, 4))
        luma = [x @ np.array([0.299, 0.587, 0.114]) for x in (cells, frames.astype(float))]
        assert np.corrcoef(luma[0].ravel(), luma[1].ravel())[0, 1] > 0.98, place
    with av.open(str(tmp_path / "run-1_triptych.mp4")) as film:
        assert film.streams.audio[0].channels == 1
        heard = np.concatenate([f.to_ndarray()[0] for f in film.decode(audio=0)])
    original, _ = soundfile.read(inputs.audio[0])
    first, last = 18000 * whole[0], 18000 * (whole[-1] + 1)
    original = original[first:last]
    assert abs(len(heard) - len(original)) <= 2048
    lag = np.arange(-100, 101)
    r = [np.corrcoef(heard[5000 + k : 105000 + k], original[5000:105000])[0, 1] for k in lag]
    assert max(r) > 0.95
    assert abs(lag[int(np.argmax(r))]) <= 70  # what AAC shifts by


def test_triptychs_of_a_silent_study_have_no_sound(inputs, tmp_path):
    import av

    options = {"runs": inputs.planted.runs, "seed": 7, "scale": 2, "crf": 30}
    write_triptychs(inputs.study, inputs.predictions, [], tmp_path, **options)
    with av.open(str(tmp_path / "run-2_triptych.mp4")) as film:
        assert not film.streams.audio


def test_best_and_worst_are_what_their_label_says(drawn):
    examples = pd.read_csv(drawn / "examples.tsv", sep="\t")
    trs = pd.read_csv(drawn / "trs.tsv", sep="\t")
    mine = trs[trs["source"] == "from_bold"].merge(
        examples[["run", "subject"]].drop_duplicates(), on=["run", "subject"]
    )
    assert examples.loc[examples["kind"] == "best", "ssim"].max() == pytest.approx(
        mine["ssim"].max(), abs=1e-4
    )
    assert examples.loc[examples["kind"] == "worst", "ssim"].min() == pytest.approx(
        mine["ssim"].min(), abs=1e-4
    )


def test_examples_are_drawn_by_the_seed_and_ordered_by_score():
    ssim = np.random.default_rng(0).permutation(np.linspace(0, 1, 41))
    ssim[3] = np.nan
    chosen = choose_examples(ssim, 3, 1)
    assert [example.kind for example in chosen] == [kind for kind in KINDS for _ in range(3)]
    score = {(example.kind, example.number): ssim[example.place] for example in chosen}
    assert score["best", 1] == np.nanmax(ssim)
    assert score["worst", 1] == np.nanmin(ssim)
    assert score["best", 1] > score["best", 2] > score["best", 3]
    assert abs(score["median", 2] - np.nanmedian(ssim)) < 0.05
    assert choose_examples(ssim, 3, 1) == chosen
    draws = {
        example.place
        for seed in range(20)
        for example in choose_examples(ssim, 3, seed)
        if example.kind == "random"
    }
    assert len(draws) > 20


def test_fewer_trs_than_examples_are_shown_again():
    chosen = choose_examples(np.array([0.5, np.nan]), 4, 0)
    assert len(chosen) == 16
    assert {example.place for example in chosen if example.kind == "best"} == {0}
