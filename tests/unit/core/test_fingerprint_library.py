"""A script's fingerprint changes with the modules it imports, and with no others.

Which those are is asked of grimp, which import-linter reads the layers with, for every module and
every script of this checkout. So a new module needs no row anywhere.
"""

import ast
import random
import shutil
from pathlib import Path

import grimp
import pytest

from giblet.fingerprint import CodeIndex
from tests.support.checkout import ROOT

LIBRARY = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "giblet").rglob("*.py"))
SCRIPTS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "workflow/scripts").glob("*.py"))

# Stage -> the packages that its scripts may import, directly or through others: with more, a
# change of one stage would make another's results stale.
PACKAGES = {
    "align": {"align"},
    "brain": {"brain"},
    "features": {"features"},
    "simulate": {"simulate"},
    "stimulus": {"stimulus"},
    "train": {"brain", "features", "model", "train"},
    "validate": {"brain", "features", "model", "train", "validate"},
}
# Scripts that draw.
DRAWING = ("_figures.py", "_surface.py", "_triptychs.py", "_report.py", "_benchmark_codecs.py")


class Copy:
    """A copy of the library and the scripts, to edit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = folder / "kept.json"
        for file in [*LIBRARY, *SCRIPTS]:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / file, folder / file)
        index = CodeIndex(folder, self.kept)
        self.before = self.fingerprints(index)
        index.keep()

    def fingerprints(self, index: CodeIndex | None = None) -> dict[str, str]:
        """Fingerprint of each script as the files now are."""
        index = index or CodeIndex(self.folder, self.kept)
        return {script: index.fingerprint(script) for script in SCRIPTS}

    def changed(self) -> set[str]:
        """Scripts whose fingerprint is another than before the edits."""
        now = self.fingerprints()
        return {script for script in SCRIPTS if now[script] != self.before[script]}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return Copy(tmp_path_factory.mktemp("code"))


@pytest.fixture(scope="module")
def importers(tmp_path_factory):
    """File -> the scripts that import it, directly or through others, as grimp finds them."""
    package = tmp_path_factory.mktemp("scripts") / "giblet_scripts"
    package.mkdir()
    (package / "__init__.py").touch()
    for script in SCRIPTS:
        shutil.copy(ROOT / script, package)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(package.parent)
        graph = grimp.build_graph("giblet", package.name, cache_dir=None)
    files = {file: set() for file in LIBRARY} | {script: {script} for script in SCRIPTS}
    for script in SCRIPTS:
        for module in graph.find_upstream_modules(f"{package.name}.{Path(script).stem}"):
            parts = module.split(".")
            # Python runs the packages above a module, too.
            for length in range(1, len(parts) + 1):
                files[file_of(parts[:length])].add(script)
    return files


def file_of(parts):
    path = Path(*parts)
    return str(path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py"))


def is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def with_another_constant(text, seed):
    """The code with one of its constants changed; with one more where it has none."""
    tree = ast.parse(text)
    documentation = {node.value for node in ast.walk(tree) if is_docstring(node)}
    constants = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str | int | float)
        and node not in documentation
    ]
    if not constants:
        return f"{text}\n_PROBE = 1\n"
    node = random.Random(seed).choice(constants)
    node.value = f"{node.value}_" if isinstance(node.value, str) else node.value + 1
    return ast.unparse(tree)


def in_other_words(text):
    """The same code with other docstrings, comments and layout."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            rest = [part for part in node.body if not is_docstring(part)]
            node.body = [ast.Expr(ast.Constant("Something else.")), *rest]
    return f"# A remark.\n\n{ast.unparse(ast.fix_missing_locations(tree))}\n\n# Another.\n"


@pytest.mark.parametrize("file", [*LIBRARY, *SCRIPTS])
def test_an_edit_changes_the_scripts_that_import_the_file_and_no_others(copy, importers, file):
    path = copy.folder / file
    before = path.read_text()
    path.write_text(with_another_constant(before, seed=file))
    try:
        assert copy.changed() == importers[file]
    finally:
        path.write_text(before)


def test_comments_docstrings_and_layout_change_nothing(tmp_path):
    copy = Copy(tmp_path)
    for file in [*LIBRARY, *SCRIPTS]:
        text = (copy.folder / file).read_text()
        (copy.folder / file).write_text(in_other_words(text))
        assert in_other_words(text) != text
    assert copy.changed() == set()


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_import_their_own_stage_and_what_it_builds_on(importers, script):
    behind = {Path(file) for file in LIBRARY if script in importers[file]}
    packages = {path.parts[1] for path in behind if len(path.parts) > 2}
    assert packages <= PACKAGES[Path(script).name.partition("_")[0]]


def test_only_scripts_that_draw_import_modules_that_draw(importers):
    drawing = [file for file in LIBRARY if "figure" in file or "/report/" in file]
    scripts = {script for file in drawing for script in importers[file]}
    assert scripts
    assert [script for script in scripts if not script.endswith(DRAWING)] == []
