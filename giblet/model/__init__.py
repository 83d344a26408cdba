"""The thirteen layers."""
