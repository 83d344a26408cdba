"""Fingerprint of the code behind a rule, so that a changed constant re-runs its stage.

The script and every giblet module it imports, transitively and wherever the import stands,
are parsed; comments, docstrings and layout do not count. Parsing the whole library costs
seconds and happens whenever a workflow is planned, so what was read of a file may be kept in a
JSON file, by the file's content.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = "giblet"
ROOT = Path(__file__).resolve().parent.parent


class CodeIndex:
    """What the files of a checkout mean and import.

    Parameters
    ----------
    root
        Folder that holds the ``giblet`` package.
    kept
        JSON file that remembers what was read, or None to read anew. Entries are found by the
        hash of a file's bytes, so a stale one is never used.
    """

    def __init__(self, root: str | Path = ROOT, kept: str | Path | None = None) -> None:
        self.root = Path(root)
        self.kept = Path(kept) if kept else None
        self._facts: dict[str, list[list[str] | str]] = {}
        self._by_path: dict[Path, tuple[str, list[str]]] = {}
        if self.kept and self.kept.exists():
            try:
                self._facts = json.loads(self.kept.read_text())
            except ValueError:
                self._facts = {}
        self._n_kept = len(self._facts)

    def fingerprint(self, script: str | Path) -> str:
        """Hash of a script and the library modules behind it: 16 hexadecimal digits.

        Parameters
        ----------
        script
            Path of the script, relative to the root or absolute.
        """
        digest = hashlib.sha256(self._read(self.root / script, "")[0].encode())
        for module in sorted(self.modules_behind(script)):
            digest.update(module.encode())
            digest.update(self._read(self._file(module), module)[0].encode())
        return digest.hexdigest()[:16]

    def modules_behind(self, script: str | Path) -> set[str]:
        """Names of the giblet modules that a script imports, directly or through others."""
        waiting = list(self._imported(self.root / script, ""))
        found: set[str] = set()
        while waiting:
            module = waiting.pop()
            if module not in found:
                found.add(module)
                waiting.extend(self._imported(self._file(module), module))
        return found

    def keep(self) -> None:
        """Write what was read for the next time, if it is more than what was kept."""
        if self.kept is None or len(self._facts) == self._n_kept:
            return
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        partial = self.kept.with_name(f"{self.kept.name}.{os.getpid()}")
        partial.write_text(json.dumps(self._facts))
        partial.replace(self.kept)

    def _file(self, module: str) -> Path:
        return _module_file(module, self.root)

    def _imported(self, path: Path, module: str) -> Iterable[str]:
        for name in self._read(path, module)[1]:
            yield from _existing(name, self.root)

    def _read(self, path: Path, module: str) -> tuple[str, list[str]]:
        """Digest of a file's syntax, and the names in its import statements."""
        if path not in self._by_path:
            content = path.read_bytes()
            key = hashlib.sha256(f"{module}\0{path.name}\0".encode() + content).hexdigest()
            if key not in self._facts:
                tree = ast.parse(content, filename=str(path))
                names = sorted(_import_names(tree, module, path.name == "__init__.py"))
                self._facts[key] = [_syntax_digest(tree), names]
            digest, found = self._facts[key]
            self._by_path[path] = (str(digest), list(found))
        return self._by_path[path]


@cache
def _module_file(module: str, root: Path) -> Path:
    path = root.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _syntax_digest(tree: ast.Module) -> str:
    """Hash of a syntax tree without docstrings, comments and positions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_docstring(part)]
    text = ast.dump(tree, annotate_fields=False, include_attributes=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _import_names(tree: ast.Module, module: str, is_package: bool) -> set[str]:
    """Names that may be giblet modules in the import statements of one file."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".")
                if not is_package:
                    package = package[:-1]
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, base] if base else package)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return {name for name in found if name.split(".")[0] == PACKAGE}


@cache
def _existing(name: str, root: Path) -> tuple[str, ...]:
    """The module and the packages above it, those that are files of the library."""
    parts = name.split(".")
    above = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return tuple(module for module in above if _module_file(module, root).exists())
