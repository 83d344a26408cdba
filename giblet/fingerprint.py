"""Fingerprint of the code behind a rule, so that a changed constant re-runs its stage.

The script and every giblet module it imports, transitively and wherever the import stands,
are parsed; comments, docstrings and layout do not count.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = "giblet"
ROOT = Path(__file__).resolve().parent.parent


def code_fingerprint(script: str | Path, root: str | Path = ROOT) -> str:
    """Hash of a script and the library modules behind it.

    Parameters
    ----------
    script
        Path of the script, relative to `root` or absolute.
    root
        Folder that holds the ``giblet`` package.

    Returns
    -------
    str, 16 hexadecimal digits
    """
    root = Path(root)
    digest = hashlib.sha256(_syntax(root / script).encode())
    for module in sorted(modules_behind(script, root)):
        digest.update(module.encode())
        digest.update(_syntax(_module_file(module, root)).encode())
    return digest.hexdigest()[:16]


def modules_behind(script: str | Path, root: str | Path = ROOT) -> set[str]:
    """Names of the giblet modules that a script imports, directly or through others."""
    root = Path(root)
    waiting = list(_imports(root / script, "", root))
    found: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        waiting.extend(_imports(_module_file(module, root), module, root))
    return found


def _module_file(module: str, root: Path) -> Path:
    path = root.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def _syntax(path: Path) -> str:
    """Dump of the syntax tree without docstrings, comments and positions."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_docstring(part)]
    return ast.dump(tree, annotate_fields=False, include_attributes=False)


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _imports(path: Path, module: str, root: Path) -> Iterable[str]:
    """Giblet modules named by the import statements of one file."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".")
                if path.name != "__init__.py":
                    package = package[:-1]
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, base] if base else package)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            yield from _existing(name, root)


def _existing(name: str, root: Path) -> Iterable[str]:
    """The module and the packages above it, those that are files of the library."""
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return
    for length in range(1, len(parts) + 1):
        candidate = ".".join(parts[:length])
        if _module_file(candidate, root).exists():
            yield candidate
