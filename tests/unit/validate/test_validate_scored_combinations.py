"""Every score for every source with an interval, or a reason in the docs why not."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd
import pytest

from giblet.validate.table import SOURCES

DOCS = Path(__file__).resolve().parents[3] / "docs" / "statistics.md"
MODALITIES = ("fmri", "video", "audio", "text")


def documented(modality, metrics, missing):
    """(metric, source) pairs that the table says are missing as a row or an interval."""
    section = DOCS.read_text().split("### What is not there, and why")[1].split("\n## ")[0]
    found = set()
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) != 5 or cells[3] != missing or cells[0] not in ("*", modality):
            continue
        patterns = re.findall(r"`([^`]+)`", cells[1])
        sources = cells[2].split(", ")
        assert set(sources) <= set(SOURCES), line
        assert cells[4], line
        found |= {
            (metric, source)
            for metric in metrics
            if any(fnmatch(metric, pattern) for pattern in patterns)
            for source in sources
        }
    return found


@pytest.fixture(scope="module")
def tables(scored):
    return {name: pd.read_csv(folder / "metrics.csv") for name, folder in scored.items()}


@pytest.mark.parametrize("modality", MODALITIES)
def test_what_is_missing_is_what_the_docs_give_a_reason_for(tables, modality):
    table = tables[modality]
    pooled = table[table["subject"].isna()].set_index(["metric", "source"])
    assert pooled.index.is_unique
    metrics = sorted(set(table["metric"]))
    there = {(metric, source) for metric in metrics for source in SOURCES} & set(pooled.index)
    absent = {(metric, source) for metric in metrics for source in SOURCES} - there
    assert absent == documented(modality, metrics, "row")
    assert pooled["value"].notna().all()
    bare = set(pooled.index[pooled[["ci_low", "ci_high"]].isna().any(axis=1)])
    assert bare == documented(modality, metrics, "interval") & there


@pytest.mark.parametrize("modality", MODALITIES)
def test_intervals_hold_their_values(tables, modality):
    rows = tables[modality].dropna(subset=["ci_low"])
    # The median of a resampling can lie on either side of a coarse one.
    close = 1e-6 + 0.02 * rows["value"].abs()
    assert (rows["ci_low"] <= rows["value"] + close).all()
    inside = rows["value"] <= rows["ci_high"] + close
    assert inside.all(), rows[~inside]
