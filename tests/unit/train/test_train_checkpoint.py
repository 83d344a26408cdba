"""Checkpoints on a disk that is full."""

import subprocess

import pytest
import torch

from giblet.errors import TrainError
from giblet.train.checkpoint import Checkpoints


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True
    )
    if made.returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_named_and_older_checkpoints_stay(small_disk):
    net = torch.nn.Linear(200, 300)  # 0.24 MB
    optimizer = torch.optim.AdamW(net.parameters())
    kept = Checkpoints(small_disk / "checkpoints")
    for step in (2, 4):
        kept.save(step, net, optimizer, {}, {"step": step})
    before = {path: path.read_bytes() for path in kept.folder.iterdir()}
    big = {"best": torch.zeros(150_000)}
    message = (
        r"step-00000006.safetensors: no space for a checkpoint: it needs 0\.8 MB, its disk has "
        r"0\.\d MB free; checkpoints before it are untouched: free some space"
    )
    with pytest.raises(TrainError, match=message):
        kept.save(6, net, optimizer, big, {"step": 6})
    assert {path: path.read_bytes() for path in kept.folder.iterdir()} == before
    assert kept.newest() == "step-00000004.safetensors"
