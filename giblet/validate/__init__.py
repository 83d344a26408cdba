"""Scores, pictures, sounds and the report."""
