"""A real film, from the file to the report, with simulated viewers."""

from fractions import Fraction

import av
import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from tests.support.checkout import TINY, Checkout
from tests.support.real import real_file

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

SUBTITLES = """1
00:00:12,000 --> 00:00:16,500
What brings you to the land of the gatekeepers?

2
00:00:18,000 --> 00:00:20,000
I'm searching for someone.

3
00:00:24,000 --> 00:00:28,000
A dangerous quest for a lone hunter.

4
00:00:30,000 --> 00:00:36,000
I've been alone for as long as I can remember.

5
00:00:40,000 --> 00:00:50,000
Sintel
"""


@pytest.fixture(scope="module")
def trailer(tmp_path_factory):
    """The trailer's study, run to its report."""
    movie = real_file("sintel_trailer.mp4")
    checkout = Checkout.make(tmp_path_factory.mktemp("trailer") / "giblet")
    (checkout.folder / "trailer.srt").write_text(SUBTITLES)
    (checkout.folder / "runs.tsv").write_text(f"run\tmovie\ttext\nrun-1\t{movie}\ttrailer.srt\n")
    study = {
        "dataset": "trailer",
        "tr_s": 1,
        "runs": "runs.tsv",
        "simulate": {"film": {"make": False}},
        # 52 s of film leave no room for longer gaps.
        "align": {"gap_s": 5, "delays_trs": [2, 3, 4, 5], "test_fraction": 0.3},
        "train": {"window_trs": 8, "baseline": {"n_folds": 2}},
    }
    (checkout.folder / "trailer.yaml").write_text(yaml.safe_dump(study))
    code, output = checkout.snakemake(*TINY, "trailer.yaml", warm=True)
    assert code == 0, output[-4000:]
    return movie, checkout.folder / "results" / "trailer"


def test_every_frame_stands_at_its_true_time(trailer):
    movie, results = trailer
    with av.open(str(movie)) as container:
        shown = sorted(Fraction(frame.pts) * frame.time_base for frame in container.decode(video=0))
        start = min(
            stream.start_time * stream.time_base
            for stream in (*container.streams.video, *container.streams.audio)
        )
    with h5py.File(results / "stimulus" / "run-1" / "frames.h5") as file:
        found = file["time_s"][:]
        assert file["valid"][:].all()
    n_trs, per_tr = found.shape
    assert n_trs == 52
    asked = (np.arange(n_trs * per_tr) + 0.5) / per_tr
    times = np.array([float(time - start) for time in shown])
    expected = times[np.searchsorted(times, asked, side="right") - 1]
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-6)


def test_sound_has_the_length_of_its_trs(trailer):
    _, results = trailer
    sound = soundfile.info(results / "stimulus" / "run-1" / "audio.wav")
    assert (sound.samplerate, sound.frames) == (12000, 52 * 12000)


def test_subtitles_reach_their_trs(trailer):
    _, results = trailer
    text = pd.read_csv(results / "stimulus" / "run-1" / "text.tsv", sep="\t", keep_default_na=False)
    assert text["text"][13].startswith("What brings you")
    assert text["text"][45] == "Sintel"
    assert text["text"][2] == ""


def test_report_is_made(trailer):
    _, results = trailer
    page = (results / "validate" / "report" / "index.html").read_text()
    assert "trailer" in page
