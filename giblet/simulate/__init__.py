"""A study with a known truth: a film, and the scans of people who never watched it."""
