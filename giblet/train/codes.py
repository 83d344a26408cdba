"""What the code head is taught: which code, and how wrong its neighbours are.

Suffixes: ``giblet.model.stimulus``; n frames.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from giblet.errors import TrainError


def log_unigram(code_counts: NDArray[np.integer], labels_QKK: Tensor | None = None) -> Tensor:
    """Logarithm of each code's frequency in training, [Q, K]; unseen codes count as once.

    With softened labels, of how often each code is asked for: the best that a constant can do.
    """
    counts = torch.from_numpy(np.maximum(code_counts, 1)).double()
    share = counts / counts.sum(1, keepdim=True)  # [Q, K]
    if labels_QKK is not None:
        share = (share[:, None] @ labels_QKK.double())[:, 0]  # [Q, K]
    return share.clamp(min=1e-12).log().float()


def codebook_weights(n_codebooks: int, decay: float) -> Tensor:
    """Weight of each codebook, [Q], summing to 1: each `decay` times the one before it."""
    weight = torch.tensor(decay, dtype=torch.float64) ** torch.arange(n_codebooks)
    return (weight / weight.sum()).float()


def soft_labels(codebooks_QKD: Tensor, temperature: float) -> Tensor:
    """Label of each code as a distribution over its codebook, [Q, K, K].

    ``softmax_j(-||e_j - e_k||^2 / (temperature s))``, ``s`` the mean squared distance of a
    code to its nearest neighbour in that codebook, so that `temperature` means the same in
    coarse and in fine codebooks.
    """
    labels = []
    for book in codebooks_QKD.double():  # [K, D]
        distance = torch.cdist(book, book).square()  # [K, K]
        others = distance + torch.diag(torch.full((len(book),), torch.inf, dtype=torch.float64))
        scale = others.amin(1).mean().clamp(min=1e-12)
        labels.append((-distance / (temperature * scale)).softmax(1).float())
    return torch.stack(labels)


class CodeTargets:
    """Cross-entropy of codes, coarse codebooks counting more, labels softened by distance.

    Parameters
    ----------
    code_counts
        How often each code occurs in training, [Q, K].
    decay
        Weight of each codebook against the one before it.
    temperature
        Softness of the labels (:func:`soft_labels`); 0 for the true code alone.
    codebooks
        Code vectors [Q, K, D], needed for a temperature above 0.

    Attributes
    ----------
    log_unigram : [Q, K], what the constant predictor answers
    """

    def __init__(
        self,
        code_counts: NDArray[np.integer],
        *,
        decay: float = 1.0,
        temperature: float = 0.0,
        codebooks: NDArray[np.floating] | None = None,
    ) -> None:
        self.weight = codebook_weights(len(code_counts), decay)  # [Q]
        self.labels: Tensor | None = None  # [Q, K, K]
        self.entropy: Tensor | None = None  # [Q, K]
        if temperature > 0:
            if codebooks is None or codebooks.shape[:2] != code_counts.shape:
                found = "none" if codebooks is None else " x ".join(map(str, codebooks.shape[:2]))
                raise TrainError(
                    f"train/code_temperature is {temperature}: softened labels need the codec's "
                    f"{' x '.join(map(str, code_counts.shape))} code vectors, found {found}: run "
                    "features again, or set it to 0"
                )
            self.labels = soft_labels(torch.from_numpy(np.asarray(codebooks)), temperature)
            self.entropy = torch.special.entr(self.labels).sum(2)
        self.log_unigram = log_unigram(code_counts, self.labels)

    def to(self, device: torch.device | str) -> CodeTargets:
        """Move to a device, in place."""
        for name in ("weight", "labels", "entropy", "log_unigram"):
            value = getattr(self, name)
            setattr(self, name, None if value is None else value.to(device))
        return self

    def nats(self, logits_nQK: Tensor, codes_nQ: Tensor) -> Tensor:
        """Cross-entropy less the label's own entropy (0: perfect), weighted, summed over frames.

        The Kullback-Leibler divergence of the prediction from the label; with hard labels the
        entropy is 0 and this is the usual cross-entropy.
        """
        total = logits_nQK.new_zeros(())
        for book, weight in enumerate(self.weight):
            logits, codes = logits_nQK[:, book].float(), codes_nQ[:, book]  # [n, K], [n]
            if self.labels is None or self.entropy is None:
                nats = F.cross_entropy(logits, codes, reduction="sum")
            else:
                labels = self.labels[book, codes]  # [n, K]
                nats = F.cross_entropy(logits, labels, reduction="sum")
                nats = nats - self.entropy[book, codes].sum()
            total = total + weight * nats
        return total
