"""Real scans: two runs of the Haxby study, the shown category's name as text."""

import json

import av
import h5py
import hdf5plugin  # noqa: F401
import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml

from tests.support.checkout import TINY, Checkout
from tests.support.real import real_file

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

N_TRS = 121
TR_S = 2.5
RUNS = ("run-01", "run-02")


def write_grey_film(path):
    """A film that shows nothing and makes no sound, as long as a run."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=2)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        picture = np.full((36, 64, 3), 128, np.uint8)
        for _ in range(int(2 * N_TRS * TR_S)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def haxby(tmp_path_factory):
    """The study, run to its report with the second run held out."""
    scans = {run: real_file(f"haxby/{run}_bold.nii.gz") for run in RUNS}
    events = {run: real_file(f"haxby/{run}_events.tsv") for run in RUNS}
    checkout = Checkout.make(tmp_path_factory.mktemp("haxby") / "giblet")
    write_grey_film(checkout.folder / "grey.mp4")
    runs = [f"{run}\tgrey.mp4\t{events[run]}\t{N_TRS}\n" for run in RUNS]
    (checkout.folder / "runs.tsv").write_text("run\tmovie\ttext\tn_trs\n" + "".join(runs))
    rows = [f"sub-1\t{run}\t{scans[run]}\n" for run in RUNS]
    (checkout.folder / "bold.tsv").write_text("subject\trun\tbold\n" + "".join(rows))
    study = {
        "dataset": "haxby",
        "tr_s": TR_S,
        "runs": "runs.tsv",
        "scans": "bold.tsv",
        "simulate": {"film": {"make": False}, "bold": {"make": False}},
        "brain": {"mask": str(real_file("haxby/brain.nii.gz")), "confound_columns": []},
        "align": {"scheme": "leave_one_run_out", "gap_s": 30},
        # Of 6 x 10 x 10 voxels a stride leaves layer 6 with 64 units; the bottleneck is narrower.
        "model": {"bottleneck": 48},
    }
    (checkout.folder / "haxby.yaml").write_text(yaml.safe_dump(study))
    code, output = checkout.snakemake(*TINY, "haxby.yaml", warm=True)
    assert code == 0, output[-4000:]
    return checkout, checkout.folder / "results" / "haxby"


def test_voxels_are_those_of_the_mask_and_values_those_of_the_scan(haxby):
    _, results = haxby
    mask = nibabel.load(real_file("haxby/brain.nii.gz")).get_fdata() > 0
    with h5py.File(results / "align" / "study.h5") as study:
        ijk = study["geometry/ijk"][:]
        cleaned = study["runs/run-02/bold/sub-1"][:]
        valid = study["stats/bold/sub-1/valid"][:].astype(bool)
    assert len(ijk) == mask.sum()
    assert mask[tuple(ijk.T)].all()
    scan = nibabel.load(real_file("haxby/run-02_bold.nii.gz")).get_fdata()[tuple(ijk.T)].T
    assert cleaned.shape == scan.shape == (N_TRS, len(ijk))
    # What is slower than 125 s is taken out, which leaves most of the changes between TRs.
    pairs = zip(np.diff(cleaned, axis=0).T, np.diff(scan, axis=0).T, strict=True)
    alike = [np.corrcoef(a, b)[0, 1] for (a, b), ok in zip(pairs, valid, strict=True) if ok]
    assert np.median(alike) > 0.95


@pytest.mark.parametrize("run", RUNS)
def test_category_names_stand_at_their_trs(haxby, run):
    _, results = haxby
    events = pd.read_csv(real_file(f"haxby/{run}_events.tsv"), sep="\t")
    text = pd.read_csv(results / "stimulus" / run / "text.tsv", sep="\t", keep_default_na=False)
    assert len(text) == N_TRS
    for row in events.itertuples():
        inside = (text["start_s"] >= row.onset) & (text["end_s"] <= row.onset + row.duration)
        assert inside.sum() >= 8
        assert set(text.loc[inside, "text"]) == {row.trial_type}
    assert set(text["text"]) == {*events["trial_type"], ""}


def test_one_run_is_held_out_whole(haxby):
    _, results = haxby
    splits = pd.read_csv(results / "align" / "splits.tsv", sep="\t")
    kinds = splits.groupby("run")["split"].unique().map(set)
    assert kinds["run-01"] == {"train", "gap", "val"}
    assert kinds["run-02"] == {"test"}


def test_words_are_the_only_band_and_everything_is_theirs(haxby):
    _, results = haxby
    with h5py.File(results / "train" / "ridge" / "baseline.h5") as file:
        assert json.loads(file.attrs["bands"]) == ["text"]
    table = pd.read_csv(results / "validate" / "fmri" / "metrics.csv")
    parts = table[table["source"] == "ridge"].groupby("metric")["value"].mean()
    assert parts["unique_text"] >= 0
    for part in ("unique_video", "unique_audio", "shared_video_text", "shared_audio_text"):
        assert parts[part] == 0


def test_ridge_predicts_another_run_of_real_scans(haxby):
    _, results = haxby
    with h5py.File(results / "validate" / "fmri" / "voxels.h5") as file:
        r, p = file["sub-1/r_ridge"][:], file["sub-1/p_ridge"][:]
    # Eight blocks to learn from: the best voxels follow them, most do not.
    assert np.nanmax(r) > 0.3
    assert np.nanmin(p) < 0.05


def test_report_names_the_study(haxby):
    _, results = haxby
    assert "haxby" in (results / "validate" / "report" / "index.html").read_text()


def test_the_other_run_is_held_out_by_name(haxby):
    checkout, _ = haxby
    other = ("--config", "dataset=haxby-run-01", "align={held_out: run-01}")
    code, output = checkout.snakemake("align", *TINY, "haxby.yaml", *other, warm=True)
    assert code == 0, output[-4000:]
    path = checkout.folder / "results" / "haxby-run-01" / "align" / "splits.tsv"
    splits = pd.read_csv(path, sep="\t")
    assert set(splits.loc[splits["run"] == "run-01", "split"]) == {"test"}
    assert "train" in set(splits.loc[splits["run"] == "run-02", "split"])
