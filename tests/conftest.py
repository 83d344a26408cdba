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


# Tests of a file share what is slow to make; those of these folders and files with each other, and
# what a machine has only once, the little Slurm.
TOGETHER = (
    "tests/slurm/",
    "tests/remote/",
    "tests/browser/",
    "tests/demo/",
    "tests/unit/compare/",
    "tests/unit/validate/test_validate_scored_",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With `--dist loadgroup`, keep tests on one worker by where they lie.

    pytest 9.2 no longer shows pytest-xdist 3.8 the groups of `pytest.mark.xdist_group`, and two
    workers would wait for each other's Slurm, or make the same run twice.
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadGroupScheduling

    class ByPlace(LoadGroupScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.split("::")[0]
            return next((place for place in TOGETHER if path.startswith(place)), path)

    # As collected: the cluster's, which wait most, at once, and the many small ones at the end.
    config.option.loadscopereorder = False
    return ByPlace(config, log)
