"""giblet: film, brain activity, and one network with the brain in the middle."""

__version__ = "0.1.0"
