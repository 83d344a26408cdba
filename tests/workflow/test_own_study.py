"""A study described by tables: what a user writes, and what they are told when it is wrong."""

import os
import shutil

import pytest
import yaml

from tests.support.checkout import TINY

pytestmark = pytest.mark.workflow

MOVIE = "my films/the director's cut.mp4"
TEXT = "my films/what is said.tsv"
BOLD = "scans/sub 1.nii.gz"


@pytest.fixture
def study(finished, planner, tmp_path):
    """Write tables for a film and a scan with awkward names; return a function to plan or run."""
    copy = finished.copy(tmp_path / "giblet")
    made = copy.folder / "results" / "tiny" / "simulate"
    for source, name in (
        ("run-1.mp4", MOVIE),
        ("run-1_annotations.tsv", TEXT),
        ("sub-01_run-1_bold.nii.gz", BOLD),
    ):
        target = copy.folder / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(made / source, target)

    def run(*arguments, runs=None, scans=None, settings=None):
        runs = runs or f"run\tmovie\ttext\tn_trs\nrun-1\t{MOVIE}\t{TEXT}\t90\n"
        scans = scans or f"subject\trun\tbold\tn_volumes\nann\trun-1\t{BOLD}\t90\n"
        (copy.folder / "runs.tsv").write_text(runs)
        (copy.folder / "bold.tsv").write_text(scans)
        mine = {
            "dataset": "mine",
            "runs": "runs.tsv",
            "scans": "bold.tsv",
            "simulate": {"film": {"make": False}, "bold": {"make": False}},
            "brain": {"confound_columns": []},
        }
        mine.update(settings or {})
        (copy.folder / "mine.yaml").write_text(yaml.safe_dump(mine))
        if "--dry-run" in arguments:
            return planner(copy.folder, *arguments, *TINY, "mine.yaml")
        return copy.snakemake(*arguments, *TINY, "mine.yaml")

    run.folder = copy.folder
    return run


def test_spaces_and_quotes_in_paths_work(study):
    code, output = study("stimulus", "brain")
    assert code == 0, output[-3000:]
    assert (study.folder / "results/mine/brain/ann/run-1.h5").exists()
    assert (study.folder / "results/mine/stimulus/run-1/frames.h5").exists()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"settings": {"stimulis": {}}}, "unknown config key 'stimulis': did you mean 'stimulus'"),
        ({"settings": {"tr_s": "soon"}}, "config key 'tr_s' is 'soon', not a number"),
        ({"settings": {"seed": -1}}, "config key 'seed': -1"),
        ({"settings": {"runs": "no.tsv"}}, "no.tsv: no such file: correct the path"),
        ({"settings": {"scans": None}}, "config key 'scans' is empty"),
        ({"runs": f"run\tmovie\nrun-1\t{MOVIE}\nrun-1\t{MOVIE}\n"}, "'run-1' is listed twice"),
        ({"scans": f"subject\trun\tbold\nann\trun-7\t{BOLD}\n"}, "'run-7' is not in the runs"),
        ({"runs": "run\tmovie\nrun-1\tgone.mp4\n"}, "gone.mp4"),
    ],
)
def test_refused_before_anything_runs(study, changes, expected):
    code, output = study("stimulus", "brain", "--dry-run", **changes)
    assert code != 0
    assert expected in output


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"settings": {"tr_s": 2}}, "BrainError"),
        (
            {"scans": f"subject\trun\tbold\tn_volumes\nann\trun-1\t{BOLD}\t500\n"},
            "500",
        ),
    ],
)
def test_refused_by_the_job_that_sees_it(study, changes, expected):
    code, output = study("brain", **changes)
    assert code != 0
    assert expected in output
    assert "Traceback" not in output.split("rule brain_run:")[0]
    assert not (study.folder / "results/mine/brain/ann/run-1.h5").exists()


def test_truncated_film_is_named(study):
    movie = study.folder / MOVIE
    movie.write_bytes(movie.read_bytes()[: movie.stat().st_size // 2])
    code, output = study("stimulus")
    assert code != 0
    assert "MediaError" in output
    assert "the director's cut.mp4" in output


@pytest.mark.skipif(os.getuid() == 0, reason="root writes everywhere")
def test_read_only_results_are_named(study):
    (study.folder / "results").chmod(0o500)
    code, output = study("stimulus")
    assert code != 0
    assert "ermission" in output
