"""Stands for training: leaves a checkpoint when told to stop, and files of other stages."""

import signal
import sys
import time
from pathlib import Path

checkpoints = Path("results/quick/train/.checkpoints")


def stop(number, frame):
    (checkpoints / "stopped").write_text("1")
    sys.exit(75)


signal.signal(signal.SIGUSR1, stop)
for folder in (checkpoints, Path("results/quick/features")):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "step").write_text("1")
print("gpus", snakemake.resources.gpu, flush=True)  # noqa: F821
time.sleep(snakemake.params.sleep_s)  # noqa: F821
Path(snakemake.output[0]).with_name("gpus.txt").write_text(str(snakemake.resources.gpu))  # noqa: F821
Path(snakemake.output[0]).write_text(str(snakemake.params.text))  # noqa: F821
