"""One cluster and one finished tiny training, made by Slurm jobs, for all tests of a session."""

import pytest

from tests.slurm.cluster import Cluster, unavailable
from tests.slurm.workflow import finish, start
from tests.support.checkout import Checkout


@pytest.fixture(scope="session")
def cluster():
    """A running cluster; skipped where none can be brought up."""
    if reason := unavailable():
        pytest.skip(reason)
    cluster = Cluster.up()
    yield cluster
    cluster.down()


@pytest.fixture(scope="session")
def trained(cluster, tmp_path_factory):
    """A checkout in which the profile as it is has trained the tiny study. Copy it to change it."""
    checkout = Checkout.make(tmp_path_factory.mktemp("trained") / "giblet")
    code, output = finish(start(checkout, "train", "--slurm-keep-successful-logs"))
    assert code == 0, output[-4000:]
    return checkout


@pytest.fixture(scope="module")
def idle(cluster):
    """The cluster, without jobs of an earlier module."""
    cluster.cancel_all()
    return cluster
