"""Scans in; cleaned time courses per subject and run, and their ceiling, out."""
