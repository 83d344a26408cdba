"""Where processes are and how they find each other: every error of a mis-set environment."""

import re
import socket

import pytest
import torch

from giblet.errors import TrainError
from giblet.train.group import Workers, gpu_number, pick_device, refuse_shared_gpus
from giblet.train.place import Place, place_of
from tests.support.processes import clean_environment, ended, job_of, started
from tests.support.study_files import make_study

MASTER = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", **MASTER}
SRUN = {"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_LOCALID": "0"}


def test_alone_without_a_launcher():
    assert place_of({"SLURM_JOB_ID": "1"}) == Place(0, 1, 0, "")


def test_torchrun_goes_before_srun():
    assert place_of({**SRUN, **TORCHRUN, "RANK": "0"}) == Place(0, 2, 1, "127.0.0.1:29500")


def test_srun():
    assert place_of(SRUN, 2) == Place(1, 2, 0, "")
    assert place_of({**SRUN, **MASTER}).master == "127.0.0.1:29500"


@pytest.mark.parametrize(
    ("environment", "expected", "message"),
    [
        ({"RANK": "1", "WORLD_SIZE": "2", **MASTER}, None,
         r"RANK=1 and WORLD_SIZE=2 is set, but LOCAL_RANK is not: start with torchrun or srun"),
        ({"SLURM_PROCID": "0"}, None, "SLURM_PROCID=0 is set, but SLURM_NTASKS is not"),
        ({**TORCHRUN, "RANK": "2"}, None, r"RANK is 2 and WORLD_SIZE is 2: ranks go from 0"),
        ({**TORCHRUN, "RANK": "-1"}, None, r"RANK is '-1', not a number"),
        ({**SRUN, "SLURM_NTASKS": "two"}, None, r"SLURM_NTASKS is 'two', not a number"),
        ({**SRUN, "SLURM_NTASKS": "2"}, 4,
         r"SLURM_NTASKS is 2, but the job asked for 4 processes: .*--ntasks=4.*tasks: 2"),
        (TORCHRUN, 3, r"WORLD_SIZE is 2, but the job asked for 3 processes"),
        ({}, 2, "asked for 2 processes, but neither RANK nor SLURM_PROCID is set"),
        ({**SRUN, "MASTER_ADDR": "n1"}, None, "MASTER_ADDR=n1 is set, but MASTER_PORT is not"),
        ({**SRUN, "MASTER_PORT": "1"}, None, "MASTER_PORT=1 is set, but MASTER_ADDR is not"),
        ({k: v for k, v in TORCHRUN.items() if k not in MASTER}, None,
         "RANK is set, but MASTER_ADDR and MASTER_PORT are not"),
        ({**TORCHRUN, "MASTER_PORT": "65536"}, None, "MASTER_PORT is '65536': set it to a free"),
    ],
)  # fmt: skip
def test_mis_set_environment_is_named(environment, expected, message):
    with pytest.raises(TrainError, match=message):
        place_of(environment, expected)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_job_with_gpus_does_not_train_on_the_cpu():
    assert pick_device("auto").type == "cpu"
    assert pick_device("cpu", gpus=2).type == "cpu"
    with pytest.raises(TrainError, match=r"asked for 2 GPUs \(train/device is auto\), but torch"):
        pick_device("auto", gpus=2)


def test_more_processes_than_gpus_are_refused():
    assert gpu_number(Place(3, 4, 1), 2) == 1
    assert gpu_number(Place(3, 4, 1), 1) == 0  # Slurm shows each process its own
    with pytest.raises(TrainError, match="process 3 on its machine, which has 2 GPUs"):
        gpu_number(Place(2, 4, 2), 2)
    refuse_shared_gpus(["n1: a", "n1: b", "n2: c"])
    with pytest.raises(TrainError, match=r"ranks 0 and 2 have one and the same GPU \(n1: a\)"):
        refuse_shared_gpus(["n1: a", "n1: b", "n1: a"])


@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
def test_shares_are_all_windows_once_and_even(world_size):
    for n in range(world_size, 12):
        shares = [Workers(Place(rank, world_size)).share(n) for rank in range(world_size)]
        assert [number for share in shares for number in share] == list(range(n))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


# -- in processes of their own ----------------------------------------------------------------


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    make_study(folder / "study.h5", (70,), n_voxels=40, gap_trs=8)
    return job_of(folder / "study.h5", folder)


def said(process):
    status, out = ended(process, 90)
    lines = [line for line in out.splitlines() if line]
    assert status == 1, out
    assert len(lines) == 1, out
    return lines[0]


def test_a_port_in_use_is_named(job):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        environment = clean_environment(**{**TORCHRUN, "RANK": "0", "MASTER_PORT": port})
        line = said(started(["giblet.train.worker", job, "--join-s=5"], environment))
    assert re.search(
        rf"^rank 0 of 2 on \S+: TrainError: MASTER_PORT is {port}, which another program on "
        "127.0.0.1 already uses", line,
    )  # fmt: skip


def test_processes_that_never_join_are_named(job):
    environment = clean_environment(**{**SRUN, "SLURM_PROCID": "0", "SLURM_NTASKS": "3"})
    line = said(started(["giblet.train.worker", job, "--join-s=2"], environment))
    assert "only 1 of 3 processes joined within 2 s, rank 1, 2 did not" in line


def test_a_first_process_that_never_comes_is_named(job):
    environment = clean_environment(**SRUN)
    line = said(started(["giblet.train.worker", job, "--join-s=2"], environment))
    assert re.search(r"^rank 1 of 2 on \S+: TrainError: rank 0 did not write .*\.meeting-", line)


def test_a_job_file_that_is_none_is_named(tmp_path):
    line = said(started(["giblet.train.worker", tmp_path / "job.json"]))
    assert "job.json: not a job file of a training (FileNotFoundError" in line
