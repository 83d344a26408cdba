"""Files that one job leaves and another reads: caches, tables, figures and weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.fuzz.hdf5 import change_contents
from tests.support.fuzz.headers import change_chunk
from tests.support.fuzz.kinds import Kind, mixture, once
from tests.support.fuzz.plain import BYTES, TEXT
from tests.support.fuzz.values import change_json
from tests.support.stage_files import StageFiles, make_stages, split_table
from tests.support.stimulus_files import write_stimulus

N_TRS = 120
RUN_SPLITS = ["train"] * 40 + ["gap"] * 20 + ["val"] * 12 + ["gap"] * 20 + ["test"] * 28
SIZE = {"frames_per_tr": 2, "height": 6, "width": 8, "n_voxels": 5}


def stages(folder: Path) -> StageFiles:
    """A study of one run before alignment, in a folder of its own."""
    made = make_stages(folder / "aids", (N_TRS,), subjects=("sub-01", "sub-02"), **SIZE)
    split_table(folder / "aids/splits.tsv", {"run-1": RUN_SPLITS})
    return made


def cache_files(which: str) -> Callable[[Path], list[Path]]:
    """A maker of one of the caches of a study, beside the others."""

    def make(folder: Path) -> list[Path]:
        made = stages(folder)
        path = {
            "frames": made.frames[0],
            "audio": made.audio[0],
            "text": made.text[0],
            "bold": made.scans["sub-01", "run-1"],
            "space": made.space,
        }[which]
        return [Path(path.rename(folder / "good.h5"))]

    return make


def read_cache(which: str) -> Callable[[Path, Path], None]:
    """A reader of a study of which one cache is the file given."""

    def read(file: Path, good: Path) -> None:
        aids = good / "aids"
        paths = {
            "frames": aids / "stimulus/run-1/frames.h5",
            "audio": aids / "features/run-1/audio.h5",
            "text": aids / "features/run-1/text.h5",
            "bold": aids / "brain/sub-01/run-1.h5",
            "space": aids / "brain/space.h5",
            which: file,
        }
        if which in ("frames", "audio", "text"):
            _regress(file.parent, which, file)
        _align(file.parent, paths, aids)

    return read


def _regress(out: Path, which: str, file: Path) -> None:
    from giblet.align.regressors import write_regressors

    settings = {"hrf": "glover", "delays_trs": [1, 2], "grid_height": 2, "grid_width": 3}
    made: dict[str, Any] = {which: file}
    write_regressors(out / "regressors.h5", run="run-1", tr_s="1.5", **made, **settings)


def _align(out: Path, paths: dict[str, Path], aids: Path) -> None:
    from giblet.align.splits import write_splits
    from giblet.align.study import write_study

    scans = {
        ("sub-01", "run-1"): paths["bold"],
        ("sub-02", "run-1"): aids / "brain/sub-02/run-1.h5",
    }
    kinds = {name: [paths[name]] for name in ("frames", "audio", "text")}
    shared = {"runs": ["run-1"], "scans": scans, "tr_s": "1.5", "repeats": {}, **kinds}
    write_splits(
        out / "splits.tsv",
        **shared,
        run_splits=[""],
        scheme="blocks",
        held_out=None,
        test_fraction=0.2,
        val_fraction=0.1,
        n_blocks=1,
        val_every_runs=1,
        gap_s=30,
        max_missing_trs=2,
        delays_trs=[1, 2],
    )
    write_study(
        out / "study.h5",
        splits=aids / "splits.tsv",
        video=[],
        space=paths["space"],
        **shared,
    )


def read_ceiling(file: Path, good: Path) -> None:
    """As the ceiling's job reads a scan's time courses."""
    from giblet.brain.ceiling import make_ceiling

    other = good / "aids/brain/sub-02/run-1.h5"
    make_ceiling(
        file.parent / "ceiling.h5",
        [str(file), str(other)],
        tr_s="1.5",
        seed=1,
        ceiling_from="auto",
        isc_n_bootstrap=5,
        isc_block_trs=5,
        repeats={},
        scan_names=["sub-01/run-1", "sub-02/run-1"],
    )


def study_files(folder: Path) -> list[Path]:
    """The one file that training reads."""
    from tests.support.study_files import make_study

    make_study(folder / "good.h5", (30, 30), 2, 8, height=6, width=8)
    return [folder / "good.h5"]


def read_study(file: Path, _: Path) -> None:
    """As training reads its study."""
    from giblet.train.data import open_study

    with open_study(file) as study:
        windows = [window for split in ("train", "val", "test") for window in study.segments(split)]
        study.batch(windows[:1], length=30, context=2, follow=2, subjects=[0], split="train")


def stimulus_files(which: str, name: str) -> Callable[[Path], list[Path]]:
    """A maker of one of the files of the `stimulus` stage."""

    def make(folder: Path) -> list[Path]:
        path = write_stimulus(folder / "aids", "run-1", 8)[which]
        return [Path(path.rename(folder / name))]

    return make


def read_texts(file: Path, _: Path) -> None:
    """As the features' and the simulation's jobs read a run's text."""
    from giblet.features.text import _read_texts
    from giblet.simulate.drives import _sentences

    _sentences(file, len(_read_texts(file)))


def read_sound(file: Path, _: Path) -> None:
    """As the features' job reads a run's sound."""
    from giblet.features.audio import extract_audio

    extract_audio(
        file,
        file.parent / "out.h5",
        run="run-1",
        tr_s="1.5",
        codec="giblet-12khz",
        revision=None,
        sample_rate_hz=12000,
        bandwidth_kbps=3.0,
        n_codebooks=8,
        chunk_s=30.0,
        n_mels=16,
    )


def sound_files(folder: Path) -> list[Path]:
    """A run's sound at the codec's rate."""
    import soundfile

    values = 0.1 * np.random.default_rng(0).standard_normal(18000 * 2)
    soundfile.write(folder / "good.wav", values, 12000, subtype="PCM_16")
    return [folder / "good.wav"]


def split_files(folder: Path) -> list[Path]:
    """The split of every TR."""
    return [split_table(folder / "good.tsv", {"run-1": RUN_SPLITS, "run-2": RUN_SPLITS[::-1]})]


def read_splits(file: Path, _: Path) -> None:
    """As the study's job, and the report, read the split."""
    from giblet.align.splits import read_splits as read
    from giblet.validate.report.files import read_table
    from giblet.validate.report.provenance import split_counts

    read(file)
    split_counts(read_table(file, ("run", "tr", "split"), text=("run", "split")))


HISTORY = "step,epoch,split,loss,brain,lr\n" + "".join(
    f"{step},{step // 20},{split},{1 / (step + 1)},{step * 0.01},0.001\n"
    for step in range(0, 60, 20)
    for split in ("train", "val")
)
FIGURES = {
    "best_step": 40,
    "steps": 60,
    "val_loss": 0.5,
    "seconds": 12.5,
    "trs_per_s": 100.0,
    "val": {"loss": 0.5, "brain": 0.4},
    "device": "cpu",
}


def history_files(folder: Path) -> list[Path]:
    """Course of a training, and its figures."""
    (folder / "aids").mkdir()
    (folder / "aids/history.csv").write_text(HISTORY)
    (folder / "aids/metrics.json").write_text(json.dumps(FIGURES))
    (folder / "good.csv").write_text(HISTORY)
    return [folder / "good.csv"]


def figure_files(folder: Path) -> list[Path]:
    """Figures of a training."""
    history_files(folder)[0].unlink()
    (folder / "good.json").write_text(json.dumps(FIGURES))
    return [folder / "good.json"]


def read_training(file: Path, good: Path) -> None:
    """As the job that joins the networks of all seeds reads what they left."""
    from giblet.train.seeds import summarise

    history, figures = good / "aids/history.csv", good / "aids/metrics.json"
    csv = file.suffix == ".csv"
    summarise(
        [history, file if csv else history],
        [figures, figures if csv else file],
        history=file.parent / "out.csv",
        figures=file.parent / "out.json",
        table=file.parent / "table.csv",
        seeds=[1, 2],
    )


def score_files(folder: Path) -> list[Path]:
    """A table of scores, as validation writes it."""
    head = "modality,metric,unit,source,split,subject,value,ci_low,ci_high,n\n"
    rows = [f"fmri,r,voxel,{source},test,{sub},0.{k},0.1,0.5,9\n" for k, (source, sub) in enumerate(
        (source, sub) for source in ("model", "ridge", "from_bold") for sub in ("", "sub-01")
    )]  # fmt: skip
    (folder / "good.csv").write_text(head + "".join(rows))
    return [folder / "good.csv"]


def read_scores(file: Path, _: Path) -> None:
    """As the jobs of validation and the report read scores."""
    from giblet.validate.report.files import read_table
    from giblet.validate.report.study import METRIC_COLUMNS, METRIC_TEXT
    from giblet.validate.single import add_singles

    read_table(file, METRIC_COLUMNS, METRIC_TEXT)
    add_singles(file, [file])


def stamp_files(folder: Path) -> list[Path]:
    """What made a result."""
    from giblet.stamps import write_stamp

    write_stamp(folder / "x", "rule", {"tr_s": "1.5", "code": "abc", "n": [1, 2]}, ["a: said"])
    return [Path((folder / ".x.params.json").rename(folder / "good.json"))]


def read_stamp(file: Path, _: Path) -> None:
    """As planning, the report and the monitor read small JSON files; none may stop them."""
    from giblet.stamps import difference, notices_of, stamp_path
    from giblet.validate.report.files import read_json
    from giblet.watching.training import read_progress

    result = file.parent / "result"
    stamp_path(result).write_bytes(file.read_bytes())
    difference(result, {"tr_s": "1.5", "code": "abc", "n": [1, 2]})
    notices_of([result])
    read_progress(file, file.parent, 0.0)
    read_json(file)


def progress_files(folder: Path) -> list[Path]:
    """Where a training is."""
    said = {"state": "training", "step": 10, "steps": 40, "loss": 0.8, "updated": 1.8e9}
    said |= {"host": "elsewhere", "pid": 1, "slurm_job_id": 4711, "eta_s": 90.0}
    (folder / "good.json").write_text(json.dumps(said))
    return [folder / "good.json"]


def weight_files(folder: Path) -> list[Path]:
    """A checkpoint of a network of one layer."""
    import torch

    from giblet.train.checkpoint import Checkpoints

    torch.manual_seed(0)
    net = torch.nn.Linear(4, 3)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    keeper = Checkpoints(folder / "aids")
    made = keeper.save(1, net, optimizer, dict(net.state_dict()), {"step": 1, "seconds": 1.0})
    return [Path(made.rename(folder / "good.safetensors"))]


def read_weights(file: Path, _: Path) -> None:
    """As training looks for its last checkpoint, and resumes."""
    import torch

    from giblet.train.checkpoint import Checkpoints

    net = torch.nn.Linear(4, 3)
    keeper = Checkpoints(file.parent)
    file.rename(file.with_name("step-00000001.safetensors"))
    name = keeper.newest()
    if name is not None:
        keeper.load(name, net, torch.optim.AdamW(net.parameters()))


def hdf5_kind(which: str, weight: int) -> Kind:
    """A kind of cache of a study."""
    mutation = once((3, change_contents), (2, BYTES))
    return Kind(
        f"cache {which}", cache_files(which), mutation, read_cache(which), weight, r"align/[a-z_]+"
    )


JSON = mixture((3, TEXT), (1, BYTES))
KINDS = [
    *(hdf5_kind(which, 2) for which in ("frames", "audio", "text", "bold", "space")),
    Kind(
        "cache scans", cache_files("bold"), once((3, change_contents), (2, BYTES)), read_ceiling, 2
    ),
    Kind("cache study", study_files, once((3, change_contents), (2, BYTES)), read_study, 3),
    Kind("text.tsv", stimulus_files("text", "good.tsv"), mixture((1, TEXT)), read_texts, 2),
    Kind(
        "audio.wav", sound_files, mixture((2, change_chunk), (2, BYTES)), read_sound, 2, slow=True
    ),
    Kind("splits.tsv", split_files, mixture((1, TEXT)), read_splits, 3),
    Kind("history.csv", history_files, mixture((1, TEXT)), read_training, 2),
    Kind("metrics.json", figure_files, once((2, JSON), (2, change_json)), read_training, 3),
    Kind("metrics.csv", score_files, mixture((1, TEXT)), read_scores, 2),
    Kind("stamps", stamp_files, once((2, JSON), (2, change_json)), read_stamp, 3),
    Kind("progress.json", progress_files, once((2, JSON), (2, change_json)), read_stamp, 2),
    Kind(
        "safetensors",
        weight_files,
        once((1, BYTES), (1, TEXT)),
        read_weights,
        3,
        r"step-",
        slow=True,
    ),
]
