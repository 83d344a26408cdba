"""The page's templates: escaped by default, with style and script put inside."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "templates"
# Joined into the page's one script.
SCRIPTS = ("page.js", "volume.js")


def templates_digest(folder: str | Path = FOLDER) -> str:
    """Hash of all template files, so that a changed template makes the report stale.

    Returns
    -------
    str, 16 hexadecimal digits
    """
    digest = hashlib.sha256()
    for path in sorted(Path(folder).iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def environment() -> Any:
    """Jinja environment in which every value is escaped unless it is marked as safe."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(**context: Any) -> str:
    """The page. Its own script is the only one that its content policy lets run."""
    script = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    page: str = (
        environment()
        .get_template("index.html.j2")
        .render(
            style=(FOLDER / "style.css").read_text(encoding="utf-8"),
            script=script,
            script_hash=f"sha256-{digest}",
            **context,
        )
    )
    return page
