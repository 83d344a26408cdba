"""A stage re-runs when, and only when, something it depends on changed: planned by Snakemake.

A few plans of every kind, end to end. That the same holds of every setting is proven in
``test_staleness_settings.py``, and of every module and script in
``tests/unit/core/test_fingerprint_library.py``.
"""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from giblet.fingerprint import CodeIndex
from tests.support.checkout import ROOT, TINY, nested, planned_jobs
from tests.workflow import staleness_table as table

pytestmark = pytest.mark.workflow

# One of each stage that makes its own results stale, and all that change which jobs there are.
KEYS = (
    "align/scheme",
    "brain/check_tr",
    "brain/kind",
    "features/video/backbone",
    "modalities",
    "simulate/film/width",
    "stimulus/text/unit",
    "train/lr",
    "train/seeds",
)
# File -> the rules whose scripts import it, or that run it.
CODE = {
    "giblet/timing.py": table.EVERY,
    "giblet/stimulus/subtitles.py": {"stimulus_text"},
    "giblet/model/heads.py": {"train_network", "validate_predict"},
    "workflow/scripts/validate_video_figures.py": {"validate_video_figures"},
}


def plan(planner, sandbox, *arguments):
    """Names of the rules a dry run would run, without the target rules."""
    code, output = planner(sandbox.folder, "-n", *TINY, *arguments)
    assert code == 0, output[-3000:]
    return set(planned_jobs(output)) - table.TARGETS


def set_key(sandbox, key, value):
    (sandbox.folder / "changed.yaml").write_text(yaml.safe_dump(nested(key, value)))
    return "changed.yaml"


def add(path, text):
    path.write_text(f"{path.read_text()}{text}")


def test_nothing_is_stale_after_a_run(planner, sandbox):
    assert plan(planner, sandbox) == set()


@pytest.mark.parametrize("key", KEYS)
def test_changed_setting(planner, sandbox, key):
    override = set_key(sandbox, key, table.KEYS[key][0])
    assert plan(planner, sandbox, override) == table.stale(key)


def test_refused_setting(planner, sandbox):
    override = set_key(sandbox, "simulate/film/make", False)
    code, output = planner(sandbox.folder, "-n", *TINY, override)
    assert code != 0
    assert "TableError" in output


def test_a_plotting_setting_costs_only_its_own_figures(planner, sandbox):
    override = set_key(sandbox, "validate/text/dpi", table.KEYS["validate/text/dpi"][0])
    own, others = "validate_text", ("validate_audio", "validate_fmri", "validate_video")
    assert plan(planner, sandbox, override, "--keep-going", own) == {"validate_text_figures"}
    assert plan(planner, sandbox, override, "--keep-going", *others) == set()


@pytest.mark.parametrize("file", CODE)
def test_changed_code(planner, sandbox, file):
    path = sandbox.folder / file
    before = path.read_text()
    add(path, "\n_PROBE = 1\n")
    try:
        assert plan(planner, sandbox) == table.with_consequences(CODE[file])
    finally:
        path.write_text(before)


def test_comments_layout_and_modules_that_no_rule_uses_cost_nothing(planner, finished, tmp_path):
    """All at once: if one of them made anything stale, so would all."""
    copy = finished.copy(tmp_path / "giblet")
    scripts = list(copy.folder.glob("workflow/scripts/*.py"))
    index = CodeIndex(ROOT)
    used = {module for script in scripts for module in index.modules_behind(script)}
    unused = 0
    for path in [*copy.folder.glob("giblet/**/*.py"), *scripts]:
        parts = path.relative_to(copy.folder).with_suffix("").parts
        is_used = path in scripts or path.name == "__init__.py" or ".".join(parts) in used
        unused += not is_used
        add(path, "\n\n# A remark.\n" if is_used else "\n_PROBE = 1\n")
    assert unused
    assert plan(planner, copy) == set()


def test_touched_files_and_caches_cost_nothing(planner, finished, tmp_path):
    copy = finished.copy(tmp_path / "giblet")
    code = (copy.folder / name for name in ("giblet", "workflow", "rules", "config"))
    touched = [path for folder in code for path in folder.rglob("*")]
    for pattern in table.CACHES:
        caches = list(copy.folder.glob(f"results/tiny/{pattern}"))
        assert caches, pattern
        touched.extend(caches)
    for path in touched:
        os.utime(path)
    assert plan(planner, copy) == set()


def test_changed_input_runs_what_reads_it(planner, finished, tmp_path):
    copy = finished.copy(tmp_path / "giblet")
    path = copy.folder / "results/tiny/stimulus/run-1/text.tsv"
    path.write_text(path.read_text().replace("a", "o"))
    assert plan(planner, copy) == table.with_consequences(table.READ_BY["stimulus_text"])


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
