"""Whether an environment has what this checkout needs: ``python -m giblet.remote.environment``.

Run on the host, in the copy of the code, by the Python that the run will use.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

SHOWN = 5


def versions(names: list[str]) -> dict[str, str]:
    """Installed version of each package; empty where it is missing."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def unmet(dependencies: list[str]) -> list[str]:
    """Of requirements such as ``torch>=2.13``, those that this Python's packages do not meet."""
    from packaging.requirements import Requirement

    wanted = [Requirement(text) for text in dependencies]
    installed = versions([each.name for each in wanted])
    return [
        f"{each} ({'installed is ' + installed[each.name] if installed[each.name] else 'missing'})"
        for each in wanted
        if not installed[each.name] or not each.specifier.contains(installed[each.name], True)
    ]


def other_than_locked(lock: str) -> list[str]:
    """Packages whose installed version is not the one of the lock, which is what is tested."""
    locked = dict(line.split("==") for line in lock.split())
    return [
        f"{name} {version or 'missing'} (tested: {locked[name]})"
        for name, version in versions(list(locked)).items()
        # A build's label, as in 2.13.0+cpu, says nothing about the version.
        if version.partition("+")[0] != locked[name]
    ]


def devices() -> str:
    """What torch computes on here."""
    import torch

    if not torch.cuda.is_available():
        return f"torch {torch.__version__} computes on the CPU: it sees no GPU"
    names = sorted({torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())})
    return f"torch {torch.__version__} sees {torch.cuda.device_count()} GPUs: {', '.join(names)}"


def main(arguments: list[str]) -> int:
    """Print what is missing or different; 1 when something needed is missing."""
    try:
        project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
        missing = unmet(project["dependencies"])
    except ModuleNotFoundError as error:
        missing = [f"{re.sub(r'[.].*', '', str(error.name))} (missing)"]
    if missing:
        print(f"{sys.executable} lacks what giblet needs: {'; '.join(missing)}")
        return 1
    different = other_than_locked(Path("requirements.lock").read_text(encoding="utf-8"))
    if different:
        rest = f" and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
        print(f"not the tested versions: {', '.join(different[:SHOWN])}{rest}")
    if "--devices" in arguments:
        print(devices())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
