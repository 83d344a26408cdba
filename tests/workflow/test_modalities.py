"""Studies without picture, sound or words run to their report, and the report says so."""

import json
import shutil

import h5py
import pandas as pd
import pytest
import yaml

from tests.support.checkout import TINY

pytestmark = [
    pytest.mark.workflow,
    # A whole study each: minutes on a machine that others use as well.
    pytest.mark.timeout(1800),
]

RUNS = ("run-1", "run-2")
NAMES = {"video": "picture", "audio": "sound", "text": "words"}


@pytest.fixture
def study(finished, planner, tmp_path):
    """Return a function that runs a study of real files: a runs table and two scanned subjects."""
    copy = finished.copy(tmp_path / "giblet")
    made = copy.folder / "results" / "tiny"
    (copy.folder / "mine").mkdir()
    for run in RUNS:
        shutil.copy(made / "simulate" / f"{run}.mp4", copy.folder / "mine" / f"{run}.mp4")
        shutil.copy(made / "stimulus" / run / "audio.wav", copy.folder / "mine" / f"{run}.wav")
        shutil.copy(made / "simulate" / f"{run}_annotations.tsv", copy.folder / "mine")

    def run(runs, *arguments, **settings):
        rows = [
            f"{who}\t{run}\tresults/tiny/simulate/{who}_{run}_bold.nii.gz\n"
            for who in ("sub-01", "sub-02")
            for run in RUNS
        ]
        (copy.folder / "mine" / "bold.tsv").write_text("subject\trun\tbold\n" + "".join(rows))
        (copy.folder / "mine" / "runs.tsv").write_text(runs)
        mine = {
            "dataset": "mine",
            "runs": "mine/runs.tsv",
            "scans": "mine/bold.tsv",
            "simulate": {"film": {"make": False}, "bold": {"make": False}},
            "brain": {"confound_columns": []},
            "validate": {"statistics": {"n_permutations": 100, "n_bootstrap": 100}},
            **settings,
        }
        (copy.folder / "mine.yaml").write_text(yaml.safe_dump(mine))
        if "--dry-run" in arguments:
            return planner(copy.folder, *arguments, *TINY, "mine.yaml")
        return copy.snakemake(*arguments, *TINY, "mine.yaml", warm=True)

    run.results = copy.folder / "results" / "mine"
    return run


def films(suffix):
    return "run\tmovie\ttext\n" + "".join(
        f"{run}\tmine/{run}.{suffix}\tmine/{run}_annotations.tsv\n" for run in RUNS
    )


def table(columns, cells):
    return f"run\t{columns}\n" + "".join(f"{run}\t{cells}\n" for run in RUNS)


def check_results(results, there):
    """What the study has is scored, what it lacks is nowhere, and the report tells which."""
    for modality in NAMES:
        path = results / "validate" / modality / "metrics.csv"
        assert path.exists() == (modality in there)
        if modality in there:
            scores = pd.read_csv(path)
            found = scores[scores["metric"] == "identification_pairwise"]
            assert {"model", "from_bold"} <= set(found.dropna(subset=["value"])["source"])
    encoding = pd.read_csv(results / "validate" / "fmri" / "metrics.csv")
    sources = set(encoding.loc[encoding["metric"] == "r_mean"].dropna(subset=["value"])["source"])
    assert {"model", "ridge"} <= sources
    with h5py.File(results / "align" / "study.h5") as file:
        assert json.loads(file.attrs["modalities"]) == there
        kept = {"video": "video", "audio": "audio_codes", "text": "text"}
        assert {m for m, name in kept.items() if name in file["runs/run-1"]} == set(there)
    with h5py.File(results / "align" / "run-1" / "regressors.h5") as file:
        assert set(file["hrf"]) == set(there)
    page = (results / "validate" / "report" / "index.html").read_text()
    absent = [NAMES[modality] for modality in NAMES if modality not in there]
    assert f"<dt>Not in this study</dt><dd>{', '.join(absent)}: neither shown" in page
    for modality in NAMES:
        assert (f'<section id="{modality}"' in page) == (modality in there)
    return json.loads((results / "train" / "giblet" / "metrics.json").read_text())


@pytest.mark.slow
def test_a_film_without_words(study):
    code, output = study(films("mp4"), modalities=["video", "audio"])
    assert code == 0, output[-4000:]
    training = check_results(study.results, ["video", "audio"])
    assert "text" not in training["val"]
    assert not (study.results / "features" / "run-1" / "text.h5").exists()


@pytest.mark.slow
def test_sound_alone(study):
    code, output = study(films("wav"), modalities=["audio"])
    assert code == 0, output[-4000:]
    training = check_results(study.results, ["audio"])
    assert not (study.results / "stimulus" / "run-1" / "frames.h5").exists()
    widths = training["layer_widths"]
    assert all(width > widths["7"] for layer, width in widths.items() if layer != "7")


@pytest.mark.slow
def test_words_alone_need_no_film(study):
    texts = "".join(f"{run}\tmine/{run}_annotations.tsv\t100\n" for run in RUNS)
    code, output = study(f"run\ttext\tn_trs\n{texts}")
    assert code == 0, output[-4000:]
    training = check_results(study.results, ["text"])
    assert set(training["constant_predictor"]["train"]) == {"brain", "text"}
    assert not (study.results / "stimulus" / "run-1" / "audio.wav").exists()


@pytest.mark.parametrize(
    ("runs", "modalities", "expected"),
    [
        (films("wav"), ["audio", "smell"], "'smell' is not one of ['video', 'audio', 'text']"),
        (table("n_trs", "9"), None, "names neither films nor texts"),
        (table("n_trs\ttext", "9\ta.tsv"), ["audio"], "run 'run-1' has no movie"),
        (table("movie", "a.mp4"), ["text"], "no run has a text in the runs table"),
        (table("text", "a.tsv"), None, "run 'run-1' has neither a movie nor n_trs"),
    ],
)
def test_refused_before_anything_runs(study, runs, modalities, expected):
    code, output = study(runs, "--dry-run", modalities=modalities)
    assert code != 0
    assert expected in output


def test_recording_taken_for_a_film_is_refused_with_the_way_out(study):
    code, output = study(films("wav"), "stimulus")
    assert code != 0
    assert "has no picture" in output
    assert "set config key 'modalities' to [audio, text]" in output
