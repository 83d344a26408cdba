"""What the report reads, and the networks and side-cars that are described in JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.support.fuzz.images import scan_files
from tests.support.fuzz.kinds import Kind, mixture, once
from tests.support.fuzz.plain import BYTES, TEXT, Random
from tests.support.fuzz.values import change_json

MEDIA = (".png", ".flac", ".mp4", ".wav", ".jpg", ".gz", ".html")


def result_files(folder: Path) -> list[Path]:
    """The tables and figures of a study's results; the others in a folder of their own."""
    from tests.support.report_files import make_results

    results = make_results(folder / "aids", subjects=("sub-01", "sub-02"))
    places = {}
    for path in sorted(results.rglob("*")):
        if path.suffix in MEDIA:
            path.unlink()
        elif path.suffix in (".csv", ".tsv", ".json") and path.name[0] != ".":
            good = folder / f"good{len(places)}{path.suffix}"
            places[good.stem.removeprefix("good")] = str(path.relative_to(results))
            shutil.copy(path, good)
    (folder / "places.json").write_text(json.dumps(places))
    return list(folder.glob("good*"))


def read_results(file: Path, good: Path) -> None:
    """As the report reads its inputs, of which one is the file given."""
    from giblet.validate.report.page import build_report
    from tests.support.report_files import CONFIG, SETTINGS, inputs

    results = file.parent / "results"
    shutil.copytree(good / "aids", results, copy_function=_linked)
    place = json.loads((good / "places.json").read_text())[file.stem.removeprefix("fuzzed")]
    (results / place).unlink()
    file.rename(results / place)
    html = results / "validate/report/index.html"
    build_report(html, inputs(results), settings_json=json.dumps(CONFIG), **SETTINGS)


def _linked(source: str, target: str) -> str:
    Path(target).hardlink_to(source)
    return target


def network_files(folder: Path) -> list[Path]:
    """Description and weights of a small network."""
    from safetensors.torch import save_file

    from tests.support.networks import SMALL, small_network

    (folder / "aids").mkdir()
    for place in (folder / "good.json", folder / "aids/model.json"):
        place.write_text(json.dumps(SMALL))
    save_file(small_network().state_dict(), folder / "good.safetensors")
    shutil.copy(folder / "good.safetensors", folder / "aids/model.safetensors")
    return list(folder.glob("good*"))


def read_network(file: Path, good: Path) -> None:
    """As validation loads a network, of which one file is the one given."""
    from giblet.train.build import load_network

    shutil.copytree(good / "aids", file.parent / "model")
    file.rename(file.parent / "model" / f"model{file.suffix}")
    load_network(file.parent / "model")


def sidecar_files(folder: Path) -> list[Path]:
    """Side-cars of a scan."""
    scan = next(path for path in scan_files(folder, ".nii") if path.stem == "good0")
    scan.rename(folder / "aids/scan.nii")
    for path in folder.glob("good*"):
        path.unlink()
    plain = {"RepetitionTime": 1.5, "NumberOfVolumes": 24, "SliceTiming": [0, 0.5, 1]}
    timed = {"VolumeTiming": [1.5 * k for k in range(24)], "dcmmeta_shape": [6, 7, 5, 24]}
    for number, content in enumerate((plain, timed)):
        (folder / f"good{number}.json").write_text(json.dumps(content))
    return list(folder.glob("good*"))


def read_sidecar(file: Path, good: Path) -> None:
    """As a run's job reads the side-car of its scan."""
    from tests.support.fuzz.images import read_run

    scan = file.with_suffix(".nii")
    shutil.copy(good / "aids/scan.nii", scan)
    read_run(scan, good)


def change_network(rng: Random, data: bytes) -> bytes:
    """Change the description of a network, or its weights."""
    return (JSON if data.startswith(b"{") else mixture((1, BYTES)))(rng, data)


JSON = once((2, mixture((3, TEXT), (1, BYTES))), (3, change_json))
KINDS = [
    Kind(
        "report", result_files, mixture((1, TEXT)), read_results, 2, r"/results/\S+\.\w+", slow=True
    ),
    Kind("side-car", sidecar_files, JSON, read_sidecar, 2, r"fuzzed\d\.nii"),
    Kind("network", network_files, change_network, read_network, 1, "model/model", slow=True),
]
