"""Options and settings of the whole suite."""

import os

import pytest

# One thread per test: two spinning OpenMP teams on a shared machine slow each other to a crawl.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_addoption(parser):
    parser.addoption(
        "--demo-results",
        default=None,
        help="Folder of a finished demo study, for the tests of what it found.",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep the tests on the one Slurm that a machine can have together on one worker.

    pytest 9.2 no longer shows pytest-xdist 3.8 the groups of `pytest.mark.xdist_group`, which
    `--dist loadgroup` goes by; two workers would wait for each other's cluster.
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadGroupScheduling

    class OneSlurm(LoadGroupScheduling):
        def _split_scope(self, nodeid):
            return "slurm" if nodeid.startswith("tests/slurm/") else super()._split_scope(nodeid)

    return OneSlurm(config, log)
