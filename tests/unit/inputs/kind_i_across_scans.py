"""Scans that cannot be what the table says, as the other scans of the study show."""

import h5py
import numpy as np
import pandas as pd
from scipy.signal import lfilter

from giblet.align.layout import CODES
from giblet.brain.ceiling import make_ceiling
from giblet.copies import refuse_shared_scans
from giblet.store import writing
from tests.support.bad_inputs import Kind
from tests.support.moving_films import scenes, write_frames
from tests.support.split_inputs import splits_of
from tests.support.stage_files import bold_file

KIND = Kind(
    "Scans against each other",
    "One measurement is one scan: what is in the table twice is refused. What was not measured is "
    "trained and tested on in nobody. A scan that follows the others at another lag, or in another "
    "run, is named with both correlations.",
)
N_TRS, N_VOXELS = 200, 30


def scans_table(*rows):
    """A scans table as rules see it."""
    names = ["subject", "run", "bold", "first_volume", "n_volumes"]
    return pd.DataFrame([dict(zip(names, row, strict=True)) for row in rows])


def viewers(subjects=5, runs=("run-1", "run-2"), isc=0.3):
    """Scans of people who see films together, (subject, run) to [T + 20, V]."""
    rng = np.random.default_rng(0)
    response = np.exp(-((np.arange(14) - 4.0) ** 2) / 6)
    scans = {}
    for run in runs:
        film = lfilter(response, [1], rng.standard_normal((N_TRS + 20, N_VOXELS)), axis=0)
        for k in range(subjects):
            noise = rng.standard_normal(film.shape)
            scans[f"sub-{k + 1}", run] = np.sqrt(isc) * film / film.std() + np.sqrt(1 - isc) * noise
    return scans


def ceiling(folder, scans, measured=None):
    """The ceiling as its rule makes it."""
    paths = []
    for (subject, run), bold in scans.items():
        paths.append(folder / subject / f"{run}.h5")
        with writing(paths[-1], stage="brain", run=run, tr_s="1.5") as file:
            file["bold"] = bold[:N_TRS].astype(np.float32)
            file["valid"] = np.ones(bold.shape[1], bool)
            if measured and (subject, run) in measured:
                file["measured"] = measured[subject, run]
    make_ceiling(
        folder / "ceiling.h5",
        paths,
        scan_names=["/".join(name) for name in scans],
        tr_s="1.5",
        repeats={},
        ceiling_from="auto",
        isc_n_bootstrap=2,
        isc_block_trs=10,
        seed=0,
    )
    with h5py.File(folder / "ceiling.h5") as file:
        return {name: file[f"isc/{name}"][:] for name in dict.fromkeys(s for s, _ in scans)}


@KIND.refused(
    "one file for two subjects",
    "…bold.tsv rows 1 and 2: ./a.nii is the scan of sub-1 run-1 (volumes 0 to the last) and of "
    "sub-2 run-1 (volumes 0 to the last): name each one's own file in column 'bold', or volumes "
    "that do not overlap in first_volume and n_volumes",
)
def _(folder):
    rows = [("sub-1", "run-1", "a.nii", 0, 0), ("sub-2", "run-1", "./a.nii", 0, 0)]
    refuse_shared_scans(folder / "bold.tsv", scans_table(*rows))


@KIND.refused(
    "one file for two runs whose volumes overlap",
    "…bold.tsv rows 1 and 3: a.nii is the scan of sub-1 run-1 (volumes 0 to 199) and of sub-1 "
    "run-2 (volumes 150 to 349): …",
)
def _(folder):
    rows = [
        ("sub-1", "run-1", "a.nii", 0, 200),
        ("sub-2", "run-1", "b.nii", 0, 200),
        ("sub-1", "run-2", "a.nii", 150, 200),
    ]
    refuse_shared_scans(folder / "bold.tsv", scans_table(*rows))


@KIND.read("one file that holds two runs, one after the other")
def _(folder):
    rows = [("sub-1", "run-1", "a.nii", 0, 200), ("sub-1", "run-2", "a.nii", 200, 0)]
    refuse_shared_scans(folder / "bold.tsv", scans_table(*rows))


@KIND.refused(
    "a copy of one subject's scan under another's name, when TRs are split",
    "…b.h5: the scan of sub-2 run-1 is that of sub-1 run-1, value by value: name each one's own "
    "file in column bold of the scans table",
)
def _(folder):
    bold = np.random.default_rng(0).standard_normal((120, 3))
    pairs = zip(("sub-1", "sub-2"), "ab", strict=True)
    scans = {(who, "run-1"): bold_file(folder / f"{name}.h5", bold) for who, name in pairs}
    splits_of(folder, [write_frames(folder / "f.h5", scenes(0), 120)], scans=scans)


@KIND.refused(
    "a copy of one run's scan under another run's name, when the ceiling is estimated",
    "…run-2.h5: the scan of sub-1 run-2 is that of sub-1 run-1, value by value: …",
)
def _(folder):
    scans = viewers(2)
    scans["sub-1", "run-2"] = 2.5 * scans["sub-1", "run-1"] + 7
    ceiling(folder, scans)


@KIND.warned(
    "a copy of another subject's scan that was cleaned with other confounds",
    "…run-1.h5: the scan of sub-2 run-1 follows that of sub-1 run-1 with r 0.9…, as no two "
    "measurements do: it is most probably a copy that was cleaned in another way; check which "
    "files column 'bold' of the scans table names",
)
def _(folder):
    scans = viewers(3)
    other = np.random.default_rng(1).standard_normal((N_TRS + 20, 1))
    scans["sub-2", "run-1"] = scans["sub-1", "run-1"] + 0.3 * other
    ceiling(folder, scans)


@KIND.warned(
    "a scan that starts four volumes late",
    "…run-1.h5: sub-3 run-1 looks shifted by -4 TRs (-6.0 s) against the other 4 subjects: r 0.… "
    "at that lag, …0.… as it is; check movie_onset_s in the runs table and first_volume in the "
    "scans table",
)
def _(folder):
    scans = viewers()
    scans["sub-3", "run-1"] = scans["sub-3", "run-1"][4:]
    ceiling(folder, scans)


@KIND.warned(
    "two runs of a subject that stand for each other",
    "…run-1.h5: sub-2 run-1 looks like a scan of run-2: r 0.… with what the other 4 subjects have "
    "there, …0.… with run-1; check which files column 'bold' of the scans table names for these "
    "runs",
)
def _(folder):
    scans = viewers()
    one, two = ("sub-2", "run-1"), ("sub-2", "run-2")
    scans[one], scans[two] = scans[two], scans[one]
    ceiling(folder, scans)


@KIND.read("subjects who fit each other, and subjects who share nothing")
def _(folder):
    ceiling(folder, viewers(3))
    ceiling(folder / "nothing", viewers(3, ("run-1",), isc=0))


@KIND.read("volumes that are no measurement, where the ceiling is estimated: left out")
def _(folder):
    scans, measured = viewers(3, ("run-1",)), np.ones(N_TRS, bool)
    measured[:50] = False
    scans["sub-1", "run-1"][:50] = 0
    holed = ceiling(folder, scans, {("sub-1", "run-1"): measured})
    later = ceiling(folder, {name: bold[50:N_TRS] for name, bold in scans.items()})
    for name in holed:
        np.testing.assert_allclose(holed[name], later[name], atol=1e-6)


def film_and_scans(folder, hidden):
    """Frames of a run, and scans of two subjects of whom the second lacks some volumes."""
    rng, scans = np.random.default_rng(0), {}
    for k in (1, 2):
        measured = np.ones(120, bool)
        measured[hidden if k == 2 else []] = False
        bold = rng.standard_normal((120, 3)) * measured[:, None]
        scans[f"sub-{k}", "run-1"] = bold_file(folder / f"sub-{k}.h5", bold, measured=measured)
    return [write_frames(folder / "f.h5", scenes(0), 120)], scans


@KIND.warned(
    "volumes that are no measurement in one subject",
    "…sub-2.h5: 10 of the 120 TRs of sub-2 run-1 are no measurement: they are used for nothing, in "
    "no subject. To use them in the others, take this scan out of the scans table",
)
def _(folder):
    frames, scans = film_and_scans(folder, slice(60, 70))
    (codes,) = splits_of(folder, frames, scans=scans).values()
    assert (codes[60:70] == CODES["gap"]).all()
    assert (codes[55:60] == CODES["train"]).all()


@KIND.refused(
    "a scan most of which is no measurement",
    "…sub-2.h5: 70 of the 120 TRs of sub-2 run-1 are no measurement: take the scan out of the "
    "scans table, or cut the run short with n_trs in the runs table and n_volumes in the scans "
    "table",
)
def _(folder):
    frames, scans = film_and_scans(folder, slice(50, 120))
    splits_of(folder, frames, scans=scans)


@KIND.warned(
    "a scan that ended two volumes before the others",
    "…: the scan of sub-2 of run-1 ended after 118 TRs, others have 120: the run is cut to 118 TRs "
    "for all subjects; to keep the rest, take the short scan out of the scans table",
)
def _(folder):
    rng = np.random.default_rng(0)
    scans = {
        (f"sub-{k}", "run-1"): bold_file(folder / f"{k}.h5", rng.standard_normal((n, 3)))
        for k, n in ((1, 120), (2, 118))
    }
    frames = [write_frames(folder / "f.h5", scenes(0), 120)]
    assert len(splits_of(folder, frames, scans=scans)["run-1"]) == 118


@KIND.refused(
    "a scan that ended long before the others",
    "features of run-1 have 120 TRs, BOLD sub-2 run-1 has 90 (…): set n_trs of run-1 to 90 in the "
    "runs table (config/runs.tsv) if both start together, or correct first_volume or "
    "movie_onset_s; align/max_missing_trs allows 2",
)
def _(folder):
    rng = np.random.default_rng(0)
    scans = {
        (f"sub-{k}", "run-1"): bold_file(folder / f"{k}.h5", rng.standard_normal((n, 3)))
        for k, n in ((1, 120), (2, 90))
    }
    frames = [write_frames(folder / "f.h5", scenes(0), 120)]
    splits_of(folder, frames, scans=scans)
