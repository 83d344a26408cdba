"""A study whose files, tables, settings and folder have every name that a disk allows."""

import csv

import pytest

from tests.support.checkout import ROOT, planned_jobs

NAMES = (
    "Episode #1: Pilot.mp4", "scene:1.mp4", "-film.mp4", "a%03d {}.mp4", "ü é.mp4", "~film.mp4",
    "$HOMEX.mp4", "a[1]*.mp4", 'dou"ble.mp4', "it's.mp4", "a\\b.mp4", "x, y; z.mp4", "日本語.mp4",
    "b {1F2C-33}.mp4", "n" * 240 + ".mp4", "a&b|c<D>.mp4", "`x`!.mp4", "}{.mp4", "(p)+=@.mp4",
)  # fmt: skip


@pytest.mark.workflow
def test_a_study_of_odd_names_is_planned(planner, tmp_path):
    folder = tmp_path / "na {b} #1 %s ü [x] 'q' $HOME <logs>"
    folder.mkdir()
    runs = [f"run-{number}" for number in range(len(NAMES))]
    for name in NAMES:
        (folder / name).write_bytes(b"x")
    tables = {
        "ru ns #2.csv": [("run", "movie", "n_trs"), *((r, n, 10) for r, n in zip(runs, NAMES))],
        "bo'ld.csv": [("subject", "run", "bold"), *(("ann", r, n) for r, n in zip(runs, NAMES))],
    }
    for name, rows in tables.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle).writerows(rows)
    mine = folder / "mi ne {x} #é.yaml"
    mine.write_text(
        'dataset: mine\nruns: "ru ns #2.csv"\nscans: "bo\'ld.csv"\nbrain: {mask: "a[1]*.mp4"}\n'
        "simulate: {film: {make: false}, bold: {make: false}}\n",
        encoding="utf-8",
    )
    tiny = ROOT / "config/datasets/tiny.yaml"
    code, output = planner(
        ROOT, "-n", "stimulus", "brain", "-s", str(ROOT / "Snakefile"), "--directory", str(folder),
        "--configfile", str(ROOT / "config/config.yaml"), str(tiny), str(mine),
    )  # fmt: skip
    assert code == 0, output[-2000:]
    jobs = planned_jobs(output)
    assert (jobs["stimulus_video"], jobs["brain_run"]) == (len(NAMES), len(NAMES))
