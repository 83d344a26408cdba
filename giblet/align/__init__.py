"""Stimulus and brain on one time axis, split, and stored as the study that training reads."""
