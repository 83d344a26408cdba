"""One cluster and one finished tiny training, made by Slurm jobs, for all tests of a session."""

import pytest

from tests.slurm.cluster import Cluster, unavailable
from tests.slurm.workflow import start
from tests.support.checkout import Checkout

# Those before `test_jobs` do without the tiny training, which is made meanwhile. Others are last.
ORDER = ("test_cluster", "test_remote_slurm", "test_profile", "test_jobs", "test_training")


def pytest_collection_modifyitems(items):
    """Bring the tests of this folder into an order in which little is waited for."""
    here = [n for n, item in enumerate(items) if item.path.parent.name == "slurm"]
    ordered = sorted(
        (items[n] for n in here), key=lambda item: (*ORDER, item.path.stem).index(item.path.stem)
    )
    for n, item in zip(here, ordered):
        items[n] = item


@pytest.fixture(scope="session")
def cluster(request, tmp_path_factory):
    """A running cluster, which trains the tiny study if a test wants that; skipped where none is.

    Yields the cluster; `cluster.training` is the workflow that trains.
    """
    if reason := unavailable():
        pytest.skip(reason)
    cluster = Cluster.up()
    try:
        if any("trained" in item.fixturenames for item in request.session.items):
            checkout = Checkout.make(tmp_path_factory.mktemp("trained") / "giblet")
            cluster.training = start(checkout, "train", "--slurm-keep-successful-logs")
        yield cluster
    finally:
        cluster.down()


@pytest.fixture(scope="session")
def trained(cluster):
    """A checkout in which the profile as it is has trained the tiny study. Copy it to change it."""
    code, output = cluster.training.finish()
    assert code == 0, output[-4000:]
    return cluster.training.checkout


@pytest.fixture(scope="module")
def idle(cluster, trained):
    """The cluster, without jobs of an earlier module."""
    cluster.cancel_all()
    return cluster
