"""Training on a GPU: the curve that the CPU gives, in single and in half precision, resumed too.

But for dropout, whose masks a GPU draws with numbers of its own.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from giblet.errors import Stopped
from giblet.train import loop
from tests.support.networks import train
from tests.support.study_files import make_study

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
VARIANTS = {
    "as-shipped": {},
    "random-start": {"start": "random"},
    "average": {"ema_decay": 0.9},
    "fir": {"hrf": "fir"},
    "learned": {"hrf": "learned"},
    "s3d-attention": {"within_tr": "s3d", "across_trs": "attention"},
    "hierarchical": {"within_tr": "hierarchical"},
    "white": {"latents_whitening": "full"},
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("cuda") / "study.h5"
    make_study(path, (70, 70), n_voxels=40, gap_trs=8)
    return path


def curve(folder: Path) -> list[float]:
    with (folder / "history.csv").open(encoding="utf-8") as handle:
        return [float(row["loss"]) for row in csv.DictReader(handle)]


@needs_gpu
@pytest.mark.parametrize("name", VARIANTS)
def test_a_gpu_gives_the_curve_of_the_cpu(path, tmp_path, monkeypatch, name):
    # Hopper and Ampere chips round the operands of convolutions to 10 bits unless told not to.
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    for device in ("cpu", "cuda"):
        train(path, tmp_path / device, device=device, dropout=0.0, **VARIANTS[name])
    assert curve(tmp_path / "cuda") == pytest.approx(curve(tmp_path / "cpu"), rel=1e-3)


@needs_gpu
def test_half_precision_stays_near(path, tmp_path):
    train(path, tmp_path / "single", device="cuda")
    train(path, tmp_path / "half", device="cuda", bf16=True)
    assert curve(tmp_path / "half") == pytest.approx(curve(tmp_path / "single"), rel=0.03)


@needs_gpu
def test_a_training_stopped_on_a_gpu_goes_on_there(path, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    train(path, tmp_path / "whole", device="cuda", deterministic=True)

    @dataclass
    class AfterThree:
        n: int = 0

        def __call__(self, *_: object) -> str:
            self.n += 1
            return "SIGTERM" if self.n > 3 else ""

    with monkeypatch.context() as patch:
        patch.setattr(loop, "agreed", AfterThree())
        with pytest.raises(Stopped):
            train(path, tmp_path / "small", device="cuda", deterministic=True)
    train(path, tmp_path / "small", device="cuda", deterministic=True)
    assert "resuming" in capsys.readouterr().out
    assert curve(tmp_path / "small") == pytest.approx(curve(tmp_path / "whole"), rel=1e-6)
