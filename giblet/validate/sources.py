"""What scores of single networks are called beside those of their average."""

from __future__ import annotations

# Sources that are the networks' work; the others are the same whatever was trained.
OF_NETWORKS = ("model", "from_bold", "from_predicted")
# Mean over the networks alone: ``model_single``.
SINGLE = "single"
