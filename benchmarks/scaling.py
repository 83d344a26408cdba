"""What several processes gain in training, and what they cost: weak scaling from 1 to 2.

    python benchmarks/scaling.py

On the CPU each process has one core to itself and twice the processes share a batch of twice the
windows, so the ideal is twice the TRs a second. Runs take turns with each other. Printed are
medians of TRs/s and their ratio; the time that cores are busy with a TR, which also on a machine
with other work says what sharing costs, waiting for each other aside; the share of time spent
waiting for data (at most 0.05); and the peak memory of a process against that of a process alone
(at most 1.1). Where there are GPUs, one process on one of them as well, two on two, with their
memory and utilisation. Exits with 1 where memory or loading is above its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from giblet.train.launch import write_job

ROOT = Path(__file__).resolve().parents[1]
MEMORY_RATIO, LOADING_SHARE = 1.1, 0.05
# Runs the program of one process on a core of its own; says at the end its peak memory, and how
# long its core was busy with steps.
PROCESS = """
import os, resource, sys, time
if sys.argv[1] != "gpu":
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[int(os.environ["LOCAL_RANK"])]})
from giblet.train import loop, worker
busy_s, step, leave = 0.0, loop.Training._step, os._exit
def timed(self, number):
    global busy_s
    began = time.process_time()
    found = step(self, number)
    busy_s += time.process_time() - began
    return found
def leaving(status):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("peak_mb", peak, "busy_s", busy_s, file=sys.stderr, flush=True)
    leave(status)
loop.Training._step, os._exit = timed, leaving
worker.main(sys.argv[2:])
"""


def make_study(path: Path) -> None:
    """A study with voxels enough that a step is work and not overhead."""
    sys.path.insert(0, str(ROOT))
    from tests.support.study_files import make_study as planted

    planted(path, (180, 180), n_voxels=2000, gap_trs=8)


def settings(steps: int, windows: int, device: str) -> dict[str, Any]:
    """The small network of the tests, wider, for this study."""
    from tests.support.networks import NETWORK, TRAINING

    wide = {"context_hidden": 256, "brain_rank": 0, "bottleneck": 256, "audio_channels": 32}
    train = {"steps": steps, "eval_every": 10 * steps, "checkpoint_every": 10 * steps}
    train |= {"batch_windows": windows, "start": "random", "device": device}
    return {**TRAINING, **NETWORK, **wide, "volume_channels": [16], **train}


def run(study: Path, folder: Path, n: int, args: argparse.Namespace, device: str) -> dict[str, Any]:
    """Train in `n` processes; TRs a second, waiting for data, peak memory of the largest."""
    names = {"model": "model.safetensors", "last": "last.safetensors", "kwargs": "model.json"}
    names |= {"history": "history.csv", "metrics": "metrics.json", "progress": "p.progress.json"}
    files = {key: str(folder / name) for key, name in names.items()}
    files |= {"study": str(study), "checkpoints": str(folder)}
    chosen = settings(args.steps, n * args.windows, device)
    job = write_job(files, chosen, seed=1, log="the output")
    kind = "gpu" if device == "cuda" else "cpu"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, kind, str(job)], cwd=ROOT, text=True,
            env={
                **os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive",
                "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(n),
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(args.port),
            },
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        for rank in range(n)
    ]  # fmt: skip
    said = [process.communicate()[1] for process in started]
    if any(process.returncode for process in started):
        sys.exit("\n".join(said))
    peaks = [float(text.split("peak_mb ")[1].split()[0]) for text in said]
    busy_s = sum(float(text.split("busy_s ")[1].split()[0]) for text in said)
    metrics = json.loads(Path(files["metrics"]).read_text())
    progress = json.loads(Path(files["progress"]).read_text())
    return {
        "trs_per_s": metrics["trs_per_s"],
        "loading_share": metrics["loading_share"],
        "peak_mb": max(peaks),
        "busy_ms_per_tr": 1000 * busy_s / (args.steps * n * args.windows * chosen["window_trs"]),
        "gpu_gb": progress["gpu_memory_gb"],
        "utilisation": progress["gpu_utilisation"],
    }


def compare(name: str, counts: Sequence[int], device: str, args: argparse.Namespace) -> bool:
    """Run each number of processes in turn; whether memory and loading keep their limits."""
    found: dict[int, list[dict[str, Any]]] = {n: [] for n in counts}
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.h5"
        make_study(study)
        for turn in range(args.repeats):
            for n in counts:
                place = Path(folder) / f"{turn}-{n}"
                found[n].append(run(study, place, n, args, device))

    def median(n: int, key: str) -> float:
        return statistics.median(one[key] for one in found[n])

    for n in counts:
        print(
            f"{name}, {n} process{'es' if n > 1 else ''}: {median(n, 'trs_per_s'):.0f} TRs/s, "
            f"waiting for data {median(n, 'loading_share'):.1%}, peak memory of a process "
            f"{median(n, 'peak_mb'):.0f} MB, "
            f"{median(n, 'busy_ms_per_tr'):.1f} ms of a core for a TR"
            + (f", GPU {found[n][-1]['gpu_gb']:.2f} GB" if device == "cuda" else "")
            + (f" {found[n][-1]['utilisation']} % busy" if device == "cuda" else "")
        )
    first, last = counts[0], counts[-1]
    memory = median(last, "peak_mb") / median(first, "peak_mb")
    if last > first:
        speed = median(last, "trs_per_s") / median(first, "trs_per_s")
        work = median(last, "busy_ms_per_tr") / median(first, "busy_ms_per_tr")
        print(
            f"{name}, {first} to {last} processes with {args.windows} windows each: {speed:.2f} "
            f"times the TRs/s, {memory:.2f} times the memory of a process (at most "
            f"{MEMORY_RATIO}), {work:.2f} times the computing for a TR"
        )
    loading = max(median(n, "loading_share") for n in counts)
    return memory <= MEMORY_RATIO and loading <= LOADING_SHARE


def main() -> int:
    """Measure on the CPU, and on GPUs where there are any."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--windows", type=int, default=2, help="windows of each process")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--port", type=int, default=29577, help="a free one")
    args = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    good = compare("CPU, a core each", [1, 2] if cores > 1 else [1], "cpu", args)
    if torch.cuda.is_available():
        counts = [1, 2] if torch.cuda.device_count() > 1 else [1]
        good &= compare(f"GPU ({torch.cuda.get_device_name()})", counts, "cuda", args)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
