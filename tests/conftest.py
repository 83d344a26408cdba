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
# The order of places, so that no worker is left alone with a long file at the end: the cluster's
# first, as they wait most, then what is slow, whole studies in the middle, and the many small files
# last. Of the studies, the second and third do without the run that the first makes for the others.
ORDER = (
    "tests/slurm/",
    "tests/browser/",
    "tests/demo/",
    "tests/remote/",
    "tests/unit/features/",
    "tests/unit/train/",
    "tests/unit/validate/",
    "tests/workflow/test_killed.py",
    "tests/workflow/test_haxby.py",
    "tests/workflow/test_real_film.py",
    "tests/workflow/test_modalities.py",
    "tests/workflow/test_parcels.py",
    "tests/workflow/test_null_report.py",
    "tests/workflow/",
    "",
)


def pytest_collection_modifyitems(items):
    """Bring the tests into the order of their places."""
    items.sort(
        key=lambda item: next(n for n, place in enumerate(ORDER) if item.nodeid.startswith(place))
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

    # As ordered here, not by the number of tests in a file.
    config.option.loadscopereorder = False
    return ByPlace(config, log)
