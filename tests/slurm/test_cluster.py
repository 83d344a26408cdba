"""What the test cluster touches on the machine under it, and what it leaves alone."""

import shutil

import pytest

from tests.slurm import cluster, config
from tests.slurm.machine import name_nodes


@pytest.mark.skipif(shutil.which("sbatch") is None, reason="no sbatch: slurm-wlm and munge")
def test_a_slurm_of_somebody_else_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "ETC", tmp_path)
    monkeypatch.setattr(cluster.os, "geteuid", lambda: 0)
    assert cluster.unavailable() is None
    for name in config.FILES:
        (tmp_path / name).write_text("ClusterName=theirs\n")
        assert "has a Slurm already" in cluster.unavailable()
        assert cluster.Cluster.running() is None
        (tmp_path / name).write_text(f"{config.MARK} /tmp/x\nClusterName=giblet\n")
        assert cluster.unavailable() is None


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(cluster, "PROGRAMS", ("sbatch-of-nowhere",))
    assert "slurm-wlm munge" in cluster.unavailable()


def test_only_the_lines_of_the_nodes_come_and_go_in_the_hosts_file(tmp_path):
    hosts = tmp_path / "hosts"
    before = "127.0.0.1 localhost\n# n1 of the lab\n10.0.0.7 n17\n"
    hosts.write_text(before)
    name_nodes(hosts=hosts)
    name_nodes(hosts=hosts)
    added = hosts.read_text().removeprefix(before).splitlines()
    assert [line.split()[:2] for line in added] == [["127.0.0.11", "n1"], ["127.0.0.12", "n2"]]
    name_nodes(remove=True, hosts=hosts)
    assert hosts.read_text() == before
