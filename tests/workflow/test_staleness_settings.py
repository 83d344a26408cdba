"""A changed setting makes stale the rules that use it, what reads their results, and nothing else.

The rules are read under each changed setting (``tests/support/evaluator.py``); some settings of
``test_staleness.py`` are planned by Snakemake, too. A setting without a row in
``staleness_table.py`` fails here.
"""

import json
import subprocess
import sys

import pytest

from giblet import config as giblet_config
from giblet.fingerprint import CodeIndex
from tests.support.checkout import ROOT, Checkout, environment, nested
from tests.workflow import staleness_table as table

pytestmark = pytest.mark.workflow

KEYS = sorted(giblet_config.leaf_keys(giblet_config.load_schema()))
SCRIPTS = sorted(path.name for path in (ROOT / "workflow" / "scripts").glob("*.py"))
PLOTTING = {
    "validate_audio": "validate/audio/figures/dpi",
    "validate_fmri": "validate/fmri/figures/dpi",
    "validate_text": "validate/text/dpi",
    "validate_video": "validate/video/dpi",
}


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory):
    """Function: what changes of the tiny study's settings do, by name."""
    folder = tmp_path_factory.mktemp("evaluated") / "giblet"
    Checkout.make(folder)

    def run(changes, base=None):
        request = {"base": base or {}, "changes": changes, "targets": ["all", *PLOTTING]}
        done = subprocess.run(
            [sys.executable, str(ROOT / "tests" / "support" / "evaluator.py")],
            input=json.dumps(request),
            capture_output=True,
            cwd=folder,
            env=environment(PYTHONPATH=str(folder)),
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    run.folder = folder
    return run


@pytest.fixture(scope="module")
def evaluated(evaluate):
    """The base configuration, and each setting changed to the value of its row."""
    return evaluate({"": {}} | {key: nested(key, table.KEYS[key][0]) for key in table.KEYS})


def test_every_setting_has_a_row():
    assert sorted(table.KEYS) == KEYS


def test_every_rule_of_the_table_is_one_and_every_rule_is_in_it(evaluated):
    assert set(evaluated["jobs"]) == table.EVERY | table.SINGLE


def test_nothing_changed_nothing_is_stale(evaluated):
    same = evaluated["outcomes"][""]
    assert same["uses"] == []
    assert not any(same["again"].values())


@pytest.mark.parametrize("key", KEYS)
def test_changed_setting(evaluated, key):
    rules = table.KEYS[key][1]
    found = evaluated["outcomes"][key]
    if rules is table.REFUSED:
        assert "TableError" in found["refused"]
        return
    assert found["refused"] == ""
    assert set(found["uses"]) == rules | {table.REPORT}
    assert set(found["again"]["all"]) == table.stale(key)


@pytest.mark.parametrize("target", PLOTTING)
def test_a_plotting_setting_costs_only_its_own_figures(evaluated, target):
    again = evaluated["outcomes"][PLOTTING[target]]["again"]
    assert set(again[target]) == table.KEYS[PLOTTING[target]][1]
    assert not any(again[other] for other in PLOTTING.keys() - {target})


def test_rules_read_what_the_table_says(evaluated):
    edges = {tuple(edge) for found in evaluated["outcomes"].values() for edge in found["edges"]}
    rows = {(rule, reader) for rule in table.READ_BY for reader in table.READ_BY[rule]}
    assert edges - rows == set()
    assert rows - edges == set()


def test_every_rule_carries_the_fingerprint_of_the_script_it_runs(evaluated):
    index = CodeIndex(ROOT)
    jobs = evaluated["jobs"]
    assert {job["script"] for job in jobs.values()} == set(SCRIPTS)
    for rule, job in jobs.items():
        fingerprint = index.fingerprint(f"workflow/scripts/{job['script']}")
        assert job["code"].split()[0] == fingerprint, rule
