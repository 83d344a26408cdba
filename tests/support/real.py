"""Real recordings beside the checkout, for tests that can use them."""

from pathlib import Path

import pytest

REAL = Path(__file__).resolve().parents[3] / "shared" / "real"


def real_file(name: str) -> Path:
    """Path of a real file, or skip the test when it is not on this machine."""
    path = REAL / name
    if not path.exists():
        pytest.skip(f"needs the real file {name}, which is not on this machine")
    return path
