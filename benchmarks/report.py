"""What the report costs: time, memory and size of the page over a finished study.

    python benchmarks/report.py results/demo

Builds the page again in a process of its own, with the settings that the study's report
recorded, beside the real one, and removes it. Exits with 1 when it takes more than a minute,
2 GiB or 25 MB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

MOST_S = 60
MOST_MIB = 2048
MOST_MB = 25
SETTINGS = ("clip_s", "n_media_runs", "n_sentences", "audio_format", "max_mb")


def build(results: Path, html: Path) -> None:
    """Build the page from all that the study left."""
    from giblet.validate.report.page import build_report

    stamp = results / "validate/report/.index.html.params.json"
    params = json.loads(stamp.read_text(encoding="utf-8"))["params"]
    inputs = [
        path
        for path in sorted(results.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.suffix != ".html"
    ]
    build_report(
        html,
        inputs,
        settings_json=params["settings_json"],
        modalities=params["modalities"],
        **{name: params[name] for name in SETTINGS},
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="folder of a finished study")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.build is not None:
        build(arguments.results, arguments.build)
        return 0
    html = arguments.results / "validate/report/benchmark.html"
    try:
        start = time.monotonic()
        subprocess.run(
            [sys.executable, __file__, str(arguments.results), "--build", str(html)], check=True
        )
        seconds = time.monotonic() - start
        megabytes = html.stat().st_size / 1e6
    finally:
        html.unlink(missing_ok=True)
    mebibytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{seconds:.1f} s (at most {MOST_S}), {mebibytes:.0f} MiB (at most {MOST_MIB}), "
          f"{megabytes:.1f} MB (at most {MOST_MB})")  # fmt: skip
    return int(seconds > MOST_S or mebibytes > MOST_MIB or megabytes > MOST_MB)


if __name__ == "__main__":
    sys.exit(main())
