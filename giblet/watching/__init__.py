"""Watching a study: what is done and left, what runs or failed, and how training goes.

One module a source (:mod:`plan`, :mod:`runlog`, :mod:`slurm`, :mod:`training`, :mod:`disk`),
:mod:`collect` which joins them into a :class:`giblet.watching.state.Status`, and
:mod:`terminal` which shows it. Everything is read; nothing that Snakemake or a job keeps is
changed.
"""
