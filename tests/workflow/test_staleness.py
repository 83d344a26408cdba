"""A stage re-runs when, and only when, something it depends on changed.

The rows stand in ``staleness_table.py``. Every key of the schemas, every module of the library
and every script must have one, so a new one without a row fails here.
"""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from giblet import config as giblet_config
from giblet.fingerprint import CodeIndex
from tests.support.checkout import ROOT, TINY, planned_jobs
from tests.workflow import staleness_table as table

pytestmark = pytest.mark.workflow

REPORT = "validate_report"
KEYS = sorted(giblet_config.leaf_keys(giblet_config.load_schema()))
SCRIPTS = sorted(path.name for path in (ROOT / "workflow" / "scripts").glob("*.py"))
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "giblet").rglob("*.py")
    if path.name != "__init__.py"
)


def with_consequences(rules):
    """The rules and all that read, directly or not, what they make."""
    found = set()
    waiting = list(rules)
    while waiting:
        rule = waiting.pop()
        if rule not in found:
            found.add(rule)
            waiting.extend(table.READ_BY[rule])
    return found


def plan(planner, sandbox, *arguments):
    """Names of the rules a dry run would run, without the target rules."""
    code, output = planner(sandbox.folder, "-n", *TINY, *arguments)
    assert code == 0, output[-3000:]
    return set(planned_jobs(output)) - table.TARGETS


def set_key(sandbox, key, value):
    nested = value
    for part in reversed(key.split("/")):
        nested = {part: nested}
    (sandbox.folder / "changed.yaml").write_text(yaml.safe_dump(nested))
    return "changed.yaml"


def test_nothing_is_stale_after_a_run(planner, sandbox):
    assert plan(planner, sandbox) == set()


def test_every_key_module_and_script_has_a_row():
    assert sorted(table.KEYS) == KEYS
    assert sorted(table.MODULES) == MODULES
    assert sorted(table.SCRIPTS) == SCRIPTS


@pytest.mark.parametrize("key", KEYS)
def test_changed_key(planner, sandbox, key):
    value, rules = table.KEYS[key]
    override = set_key(sandbox, key, value)
    if rules is table.REFUSED:
        code, output = planner(sandbox.folder, "-n", *TINY, override)
        assert code != 0
        assert "TableError" in output
        return
    absent = table.ABSENT.get(key, table.ASIDE)
    assert plan(planner, sandbox, override) == with_consequences(rules | {REPORT}) - absent


PLOTTING = {
    "validate_audio": "validate/audio/figures/dpi",
    "validate_fmri": "validate/fmri/figures/dpi",
    "validate_text": "validate/text/dpi",
    "validate_video": "validate/video/dpi",
}


@pytest.mark.parametrize("target", PLOTTING)
def test_a_plotting_setting_costs_only_its_own_figures(planner, sandbox, target):
    value, rules = table.KEYS[PLOTTING[target]]
    override = set_key(sandbox, PLOTTING[target], value)
    assert plan(planner, sandbox, override, "--keep-going", target) == rules
    for other in PLOTTING.keys() - {target}:
        assert plan(planner, sandbox, override, "--keep-going", other) == set()


@pytest.mark.parametrize("module", [module for module in MODULES if table.MODULES.get(module)])
def test_changed_module(planner, sandbox, module):
    path = sandbox.folder.joinpath(*module.split(".")).with_suffix(".py")
    before = path.read_text()
    path.write_text(before + "\n_PROBE = 1\n")
    try:
        assert plan(planner, sandbox) == with_consequences(table.MODULES[module] - table.ASIDE)
    finally:
        path.write_text(before)


def test_changed_modules_that_no_rule_uses(planner, finished, tmp_path):
    """All at once: if one of them made anything stale, so would all."""
    copy = finished.copy(tmp_path / "giblet")
    unused = [module for module, rules in table.MODULES.items() if not rules]
    assert unused
    for module in unused:
        path = copy.folder.joinpath(*module.split(".")).with_suffix(".py")
        path.write_text(path.read_text() + "\n_PROBE = 1\n")
    assert plan(planner, copy) == set()


@pytest.mark.parametrize("script", SCRIPTS)
def test_changed_script(planner, sandbox, script):
    path = sandbox.folder / "workflow" / "scripts" / script
    before = path.read_text()
    path.write_text(before + "\n_PROBE = 1\n")
    try:
        assert plan(planner, sandbox) == with_consequences(table.SCRIPTS[script] - table.ASIDE)
    finally:
        path.write_text(before)


@pytest.mark.parametrize("script", SCRIPTS)
def test_modules_of_the_table_are_those_the_script_imports(script):
    imported = {
        name for name in CodeIndex().modules_behind(f"workflow/scripts/{script}") if name in MODULES
    }
    for rule in table.SCRIPTS[script]:
        listed = {module for module, behind in table.MODULES.items() if rule in behind}
        assert imported == listed, rule


def test_comments_docstrings_and_layout_cost_nothing(planner, finished, tmp_path):
    copy = finished.copy(tmp_path / "giblet")
    for path in [*copy.folder.glob("giblet/**/*.py"), *copy.folder.glob("workflow/scripts/*.py")]:
        path.write_text(path.read_text() + "\n\n# A remark.\n")
    assert plan(planner, copy) == set()


def test_touched_files_cost_nothing(planner, finished, tmp_path):
    copy = finished.copy(tmp_path / "giblet")
    for folder in ("giblet", "workflow", "rules", "config"):
        for path in copy.folder.joinpath(folder).rglob("*"):
            os.utime(path)
    assert plan(planner, copy) == set()


@pytest.mark.parametrize("pattern", table.CACHES)
def test_touched_cache_costs_nothing(planner, finished, tmp_path, pattern):
    copy = finished.copy(tmp_path / "giblet")
    paths = list(copy.folder.glob(f"results/tiny/{pattern}"))
    assert paths
    for path in paths:
        os.utime(path)
    assert plan(planner, copy) == set()


def test_changed_input_runs_what_reads_it(planner, finished, tmp_path):
    copy = finished.copy(tmp_path / "giblet")
    path = copy.folder / "results/tiny/stimulus/run-1/text.tsv"
    path.write_text(path.read_text().replace("a", "o"))
    assert plan(planner, copy) == with_consequences(table.READ_BY["stimulus_text"])


def test_copied_results_with_the_same_settings_are_trusted(planner, finished, tmp_path):
    copy = finished.copy(tmp_path / "giblet")
    shutil.rmtree(copy.folder / ".snakemake")
    assert plan(planner, copy) == set()


def test_copied_results_with_other_settings_are_refused(planner, finished, tmp_path):
    copy = finished.copy(tmp_path / "giblet")
    shutil.rmtree(copy.folder / ".snakemake")
    override = set_key(copy, "brain/high_pass_hz", 0.02)
    code, output = planner(copy.folder, "-n", *TINY, override)
    assert code != 0
    assert "Snakemake has no record of this file" in output
    assert "now it is 0.02" in output


def test_copied_results_without_stamps_are_refused(planner, finished, tmp_path):
    copy = finished.copy(tmp_path / "giblet")
    shutil.rmtree(copy.folder / ".snakemake")
    for stamp in copy.folder.glob("results/**/.*.params.json"):
        stamp.unlink()
    code, output = planner(copy.folder, "-n", *TINY)
    assert code != 0
    assert "there is no record of what made it" in output


def test_jobs_run_the_library_of_their_own_checkout(finished):
    stamp = Path(finished.folder, "results/tiny/stimulus/run-1/.frames.h5.params.json")
    assert stamp.exists()
