"""Copies of files are known by content, whatever they are called; others are not read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from giblet import copies
from giblet.errors import TableError


def test_copies_links_and_spellings_are_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"film")
    (tmp_path / "b.mp4").write_bytes(b"film")
    (tmp_path / "c.mp4").write_bytes(b"FILM")
    (tmp_path / "d.mp4").symlink_to("c.mp4")
    kinds = ("a.mp4", "b.mp4", "c.mp4", "d.mp4", "./a.mp4", "no.mp4")
    names = copies.alike(f"{tmp_path}/{name}" for name in kinds)
    a, b, c, d, again, missing = names.values()
    assert a == b == again
    assert c == d
    assert len({a, c, missing}) == 3


def test_only_files_of_one_size_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in range(1, 4):
        (tmp_path / f"{size}.mp4").write_bytes(b"x" * size)
    monkeypatch.setattr(copies, "content_of", lambda path: pytest.fail(f"{path} was read"))
    assert len(set(copies.alike(map(str, tmp_path.iterdir())).values())) == 3


def test_of_a_large_file_pieces_from_end_to_end_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(copies, "PIECE_BYTES", 100)
    values = np.random.default_rng(0).integers(0, 255, 20_000).astype(np.uint8)
    digests = set()
    for place in (None, 0, 9_950, 19_999):
        changed = values.copy()
        if place is not None:
            changed[max(0, place - 200) : place + 200] ^= 1
        (tmp_path / "film").write_bytes(changed.tobytes())
        digests.add(copies.content_of(tmp_path / "film"))
    assert len(digests) == 4


@given(
    rows=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 30), st.integers(0, 12)),
        min_size=2,
        max_size=4,
    )
)
def test_two_rows_with_one_volume_are_refused_and_no_others(rows) -> None:
    table = pd.DataFrame(rows, columns=["bold", "first_volume", "n_volumes"])
    table["subject"], table["run"] = [f"sub-{k}" for k in range(len(rows))], "run-1"
    # Every file has 100 volumes; 0 stands for all that follow.
    volumes = [(f, v) for f, start, n in rows for v in range(start, start + n if n else 100)]
    if len(set(volumes)) == len(volumes):
        copies.refuse_shared_scans("bold.tsv", table)
    else:
        with pytest.raises(TableError, match=r"bold\.tsv rows \d and \d: [ab] is the scan of sub-"):
            copies.refuse_shared_scans("bold.tsv", table)
