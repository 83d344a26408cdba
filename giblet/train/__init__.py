"""Fitting the network and, beside it, the linear baseline."""
