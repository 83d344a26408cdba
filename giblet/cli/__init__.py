"""The command ``giblet``: what users ask for outside of the workflow.

Each command is a module of this package with

- ``HELP``: one line on what it does;
- ``add_arguments(parser)``: its options;
- ``run(arguments)``: does it and returns the exit status.
"""
