"""Slurm's configuration files for the test cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = "# giblet test cluster:"
HOSTS_MARK = "# giblet test cluster"
FILES = ("slurm.conf", "gres.conf", "cgroup.conf")
GPUS_PER_NODE = 2


@dataclass(frozen=True)
class Node:
    """Where a node's slurmd listens."""

    address: str
    port: int


NODES = {"n1": Node("127.0.0.11", 6831), "n2": Node("127.0.0.12", 6832)}

SLURM_CONF = """\
ClusterName=giblet
SlurmctldHost={host}
SlurmctldPort=6830
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldDebug=verbose
SlurmdDebug=verbose
# Two daemons on one host, without systemd and cgroups; the nodes may claim to be larger than it,
# so that profiles/slurm fits as it is.
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
# Cores and memory are what a job gets; more memory than asked for ends it, within a second or two.
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=512
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,UsePss
# No database: Snakemake asks squeue, which remembers finished jobs for MinJobAge; the tests look
# back further than a site's 300 s.
AccountingStorageType=accounting_storage/none
MinJobAge=3600
# Short waits: a vanished node is missed, a job that ignores SIGTERM is killed.
SlurmdTimeout=10
InactiveLimit=0
KillWait=5
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
# A job of `high` takes the nodes of a job of `low`, which has GraceTime seconds to save its work
# and is then put back into the queue.
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
GresTypes=gpu
"""

NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr={node.address} Port={node.port} "
    "CPUs=16 RealMemory=256000 Gres=gpu:{gpus}\n"
)
PARTITIONS = """\
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=24:00:00 PriorityTier=10 PreemptMode=OFF
PartitionName=low Nodes=n1,n2 MaxTime=24:00:00 PriorityTier=1 PreemptMode=REQUEUE GraceTime=240
PartitionName=high Nodes=n1,n2 MaxTime=1:00:00 PriorityTier=20 PreemptMode=OFF
"""


def files(folder: Path, host: str, devices: Sequence[Path]) -> dict[str, str]:
    """Texts of the files under /etc/slurm, by name."""
    slurm = SLURM_CONF.format(folder=folder, host=host)
    for name, node in NODES.items():
        slurm += NODE.format(name=name, node=node, host=host, gpus=GPUS_PER_NODE)
    gres = "AutoDetect=off\n" + "".join(
        f"NodeName={name} Name=gpu File={device}\n" for name in NODES for device in devices
    )
    texts = (slurm + PARTITIONS, gres, "CgroupAutomount=no\n")
    first = f"{MARK} {folder}\n"
    return {name: first + text for name, text in zip(FILES, texts, strict=True)}
