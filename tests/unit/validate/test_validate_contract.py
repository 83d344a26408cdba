"""What is written is what was promised: to the report, to the configuration, in the docs."""

from pathlib import Path

import h5py
import pandas as pd
import pytest
import yaml

from giblet.config import complete, flat
from giblet.validate.fmri import score_fmri
from giblet.validate.text import score_text
from giblet.validate.text_regions import score_text_regions
from tests.support.validate_files import METRICS, make_validate_files
from tests.unit.validate.conftest import STATISTICS

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = yaml.safe_load((ROOT / "config" / "schemas" / "validate.schema.yaml").read_text())


@pytest.fixture(scope="module")
def written(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    score_fmri(
        inputs.study,
        inputs.predictions,
        inputs.baseline,
        inputs.ceiling,
        inputs.partition,
        inputs.regressors,
        [inputs.truth],
        metrics=folder / "fmri" / "metrics.csv",
        trs=folder / "fmri" / "trs.tsv",
        voxels=folder / "fmri" / "voxels.h5",
        region_table=folder / "fmri" / "by_region.csv",
        run_table=folder / "fmri" / "by_run.csv",
        partition_table=folder / "fmri" / "partition.csv",
        fdr_q=0.05,
        min_ceiling=0.1,
        **STATISTICS,
    )
    score_text(
        inputs.study,
        inputs.predictions,
        inputs.baseline,
        inputs.text,
        metrics=folder / "text" / "metrics.csv",
        trs=folder / "text" / "trs.tsv",
        retrieved=folder / "text" / "retrieved.tsv",
        **STATISTICS,
    )
    fit = {"gap_s": 15, "decode_delays_trs": [2, 3, 4], "n_folds": 3, "n_alphas": 4}
    score_text_regions(
        inputs.study,
        inputs.text,
        [inputs.truth],
        table=folder / "text" / "by_region.csv",
        said=folder / "text" / "region_sentences.tsv",
        max_regions=20,
        min_log10_alpha=0,
        max_log10_alpha=3,
        batch_voxels=100,
        **fit,
        **STATISTICS,
    )
    return folder


@pytest.fixture(scope="module")
def promised(tmp_path_factory):
    return make_validate_files(tmp_path_factory.mktemp("promised"))


@pytest.mark.parametrize(
    "name",
    [
        "fmri/metrics.csv",
        "fmri/trs.tsv",
        "fmri/by_region.csv",
        "fmri/by_run.csv",
        "fmri/partition.csv",
        "text/metrics.csv",
        "text/trs.tsv",
        "text/retrieved.tsv",
        "text/by_region.csv",
        "text/region_sentences.tsv",
    ],
)
def test_columns_are_the_promised_ones(written, promised, name):
    separator = "\t" if name.endswith(".tsv") else ","
    ours, theirs = (pd.read_csv(folder / name, sep=separator) for folder in (written, promised))
    assert list(ours.columns) == list(theirs.columns)


@pytest.mark.parametrize("modality", ["fmri", "text"])
def test_metrics_and_units_are_the_promised_ones(written, promised, modality):
    tables = [pd.read_csv(f / modality / "metrics.csv") for f in (written, promised)]
    ours, theirs = (dict(t[["metric", "unit"]].itertuples(index=False)) for t in tables)
    assert ours == theirs
    assert set(METRICS[modality]) <= set(ours)


def test_voxels_hold_the_promised_datasets(written, promised):
    def names(path):
        found = {}
        with h5py.File(path) as file:
            file.visititems(
                lambda name, item: found.update(
                    {name: item.ndim} if isinstance(item, h5py.Dataset) else {}
                )
            )
            return found, set(file.attrs)

    ours, our_attrs = names(written / "fmri" / "voxels.h5")
    theirs, their_attrs = names(promised / "fmri" / "voxels.h5")
    assert ours == theirs
    assert our_attrs >= their_attrs


def test_demo_block_fits_the_schema():
    block = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    given = {name: part for name, part in block["validate"].items() if name != "report"}
    assert complete({**given}, SCHEMA).items() >= given.items()


def test_settings_of_each_rule_do_not_clash():
    config = {"seed": 1, "validate": complete({}, SCHEMA)}
    found = flat(config, "seed", "validate/statistics", "validate/fmri")
    expected = {*STATISTICS, "fdr_q", "min_ceiling"}
    assert set(found) == expected


def test_every_output_of_the_rules_is_in_the_docs():
    docs = (ROOT / "docs" / "outputs.md").read_text()
    for path in (ROOT / "rules").glob("validate*.smk"):
        for line in path.read_text().splitlines():
            if "{VALIDATE}/" not in line or "predictions" in line:
                continue
            name = line.split("{VALIDATE}/")[1].split('"')[0].replace("{{", "{").replace("}}", "}")
            assert f"`{name}`" in docs, name
