"""Two runs of a study side by side: scores, paired differences, and what was changed."""
