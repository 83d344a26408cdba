"""Options and settings of the whole suite."""

import os

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
