"""A host to log in to, and a checkout to do it from."""

import sys
import uuid

import pytest

from tests.support.ssh_host import Laptop, loopback


@pytest.fixture(scope="session")
def loop(tmp_path_factory):
    """The host, for the session."""
    yield from loopback(tmp_path_factory.mktemp("ssh"))


@pytest.fixture(scope="session")
def laptop(loop, tmp_path_factory):
    """The checkout, and the host set up from it with the environment that runs the tests."""
    laptop = Laptop(tmp_path_factory.mktemp("laptop"), loop)
    assert laptop.remote("setup", "--environment", sys.prefix) == 0
    return laptop


@pytest.fixture
def name():
    """A name that no other run has."""
    return f"t{uuid.uuid4().hex[:8]}"
