"""Which study is meant: the one asked for, or the one that ran last in the folder."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from giblet.errors import WatchError
from giblet.watching.runlog import Run, newest_runs

SNAKEFILES = ("Snakefile", "snakefile", "workflow/Snakefile", "workflow/snakefile")
DEFAULT = "config/config.yaml"
NO_FILES: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """A folder to start Snakemake in and the options that make it plan the study.

    Attributes
    ----------
    folder
        Where ``snakemake`` is typed.
    results
        Its working directory, where ``results/``, ``logs/`` and ``.snakemake/`` lie.
    options
        Options of ``snakemake`` that choose the study.
    targets
        What is asked for; none is the default target, the report.
    chosen
        Which study this is and why, for the user.
    dataset
        Name of its data set as far as the files tell; None where they cannot be read.
    """

    folder: Path
    results: Path
    options: tuple[str, ...]
    targets: tuple[str, ...]
    chosen: str
    dataset: str | None


def choose(
    folder: str | Path,
    *,
    configfile: Sequence[str] = NO_FILES,
    config: Sequence[str] = NO_FILES,
    directory: str | None = None,
    targets: Sequence[str] = NO_FILES,
) -> Study:
    """The study that is meant.

    Parameters
    ----------
    configfile, config, directory
        As for ``snakemake``. Without the first two: those of the run that was started last.

    Raises
    ------
    WatchError
        Without a workflow in the folder, or without the folder of `directory`.
    """
    folder = Path(folder).resolve()
    if not any((folder / name).is_file() for name in SNAKEFILES):
        raise WatchError(f"{folder} has no Snakefile: cd to the folder where you run snakemake")
    results = (folder / directory).resolve() if directory else folder
    if not results.is_dir():
        raise WatchError(f"{results}: no such folder: correct --directory")
    where = ("--directory", str(results)) if directory else ()
    if configfile or config:
        options = _options(configfile, config)
        chosen = f"{shlex.join(options)}, as asked for"
    else:
        last = next(iter(newest_runs(results)), None)
        options = () if last is None else options_of(last, folder)
        if last is None:
            chosen = f"{DEFAULT} (nothing has run here yet)"
        else:
            chosen = f"{shlex.join(options) or DEFAULT}, as in the last run here"
    # The workflow's own file is looked for in the working directory, files named on the
    # command line where it was typed.
    files = (results / DEFAULT, *(folder / name for name in _parsed(options).configfile))
    dataset = _dataset(files, _parsed(options).config)
    return Study(folder, results, (*where, *options), tuple(targets), chosen, dataset)


def options_of(run: Run, folder: Path = Path()) -> tuple[str, ...]:
    """Options in the command line of a run that choose the study.

    Parameters
    ----------
    folder
        Where the command was typed.
    """
    # The first word is the program.
    known = _parsed(run.header.get("Command", "").split()[1:])
    # The log has lost the quotes around values with spaces: a word without a key goes on.
    settings: list[str] = []
    for word in known.config:
        if "=" in word or not settings:
            settings.append(word)
        else:
            settings[-1] += f" {word}"
    profile = ("--profile", known.profile) if known.profile else ()
    return (*_options(_files(known.configfile, folder), settings), *profile)


def _files(words: Sequence[str], folder: Path) -> list[str]:
    """Names of files from words that were names, some with spaces, before quotes were lost."""
    found: list[str] = []
    rest = list(words)
    while rest:
        ends = range(1, len(rest) + 1)
        length = next((n for n in ends if (folder / " ".join(rest[:n])).is_file()), 1)
        found.append(" ".join(rest[:length]))
        rest = rest[length:]
    return found


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    """Options that choose a study among those of a command line of ``snakemake``."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    parser.add_argument("--config", "-C", nargs="*", default=[])
    parser.add_argument("--profile")
    try:
        return parser.parse_known_args(words)[0]
    except (argparse.ArgumentError, SystemExit):  # not one that snakemake took
        return parser.parse_args([])


def _dataset(files: Iterable[Path], settings: Iterable[str]) -> str | None:
    """The last word on the data set's name: files in their order, then ``--config``."""
    found = None
    for path in files:
        try:
            loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            continue
        if isinstance(loaded, dict) and "dataset" in loaded:
            found = str(loaded["dataset"])
    for setting in settings:
        key, _, value = setting.partition("=")
        found = value if key == "dataset" else found
    return found


def _options(configfile: Sequence[str], config: Sequence[str]) -> tuple[str, ...]:
    files = ("--configfile", *configfile) if configfile else ()
    return (*files, *(("--config", *config) if config else ()))
