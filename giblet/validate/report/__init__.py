"""The HTML report: one self-contained page on what was run, found and not found."""
