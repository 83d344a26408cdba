"""Loading models that somebody else trained, with errors that say what to do without."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from giblet.errors import PretrainedModelError


def offline() -> bool:
    """Whether the environment says that nothing can be fetched (``HF_HUB_OFFLINE=1``)."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def load(
    loader: Callable[..., Any],
    name: str | Path,
    *,
    revision: str | None,
    purpose: str,
    setting: str,
    instead: str,
    **keywords: Any,
) -> Any:
    """Call a ``from_pretrained`` on a hub id or a local folder.

    Parameters
    ----------
    loader
        ``SomeModel.from_pretrained``.
    revision
        Commit, tag or branch of the hub; None for the newest.
    purpose, setting, instead
        What the model is for, the config key that names it, and the value of that key that
        needs no download: for the message.

    Raises
    ------
    PretrainedModelError
        If the model is not on this machine and cannot be fetched, or cannot be read.
    """
    folder = Path(name).expanduser()
    local = folder.is_dir()
    if not local and _looks_like_a_path(str(name)):
        raise PretrainedModelError(
            f"{name}: no such folder, needed for {purpose}: correct {setting}, or set it to "
            f"{instead!r}, which needs no download"
        )
    _quiet()
    if revision and not local:
        keywords["revision"] = revision
    try:
        return loader(
            str(folder if local else name), local_files_only=local or offline(), **keywords
        )
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        where = "cannot be read" if local else "is not on this machine and could not be fetched"
        mode = " while HF_HUB_OFFLINE is set" if not local and offline() else ""
        raise PretrainedModelError(
            f"model {str(name)!r} (revision {revision or 'newest'}), needed for {purpose}, "
            f"{where}{mode}: {reason}. Fetch it on a machine with internet access and copy "
            f"its folder here, correct {setting}, or set {setting} to {instead!r}, which "
            "needs no download"
        ) from error


def load_network(name: str, *, revision: str | None, purpose: str, setting: str) -> Any:
    """A network of the transformers library in float32, ready to predict.

    For what can be left out: `setting` may be ``none``. Parameters and errors: see :func:`load`.
    """
    import torch
    from transformers import AutoModel

    return load(
        AutoModel.from_pretrained,
        name,
        revision=revision,
        purpose=purpose,
        setting=setting,
        instead="none",
        dtype=torch.float32,
        use_safetensors=True,
    ).eval()


def _quiet() -> None:
    """No progress bars: they are noise in a job's log."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def _looks_like_a_path(name: str) -> bool:
    """Hub ids are ``owner/name`` or ``name``, never rooted, dotted or deeper."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1
