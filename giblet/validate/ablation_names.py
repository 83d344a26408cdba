"""Names that the scores of an ablation and their table share."""

# Splits that networks are scored on; the first decides.
SPLITS = ("val", "test")
# What a network may see of the stimulus when its encoding is scored.
SHOWN = ("all", "video", "audio", "text")
