"""Put the bake-off's table and plot into the documentation.

python -m giblet.features.bakeoff_page results/demo/features/benchmark_codecs docs
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from giblet.errors import ConfigError
from giblet.features.bakeoff_table import markdown
from giblet.results import read_made_table

BEGIN = "<!-- table of benchmark_codecs: begin -->"
END = "<!-- table of benchmark_codecs: end -->"


def fill_page(results: str | Path, docs: str | Path) -> None:
    """Replace the table in ``codecs.md`` and the plot ``codecs.png`` of a folder of pages.

    Parameters
    ----------
    results
        Folder that the rule ``benchmark_codecs`` wrote.

    Raises
    ------
    ConfigError
        If there are no results, or the page has no place for them.
    """
    results, page = Path(results), Path(docs) / "codecs.md"
    for needed in (results / "table.csv", results / "scores.csv", results / "codecs.png", page):
        if not needed.is_file():
            raise ConfigError(f"{needed}: no such file: run snakemake benchmark_codecs first")
    table, scores = (read_made_table(results / f"{name}.csv") for name in ("table", "scores"))
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ConfigError(f"{page}: has no lines {BEGIN!r} and {END!r} to put the table between")
    filled = f"{BEGIN}\n![Quality against bitrate](codecs.png)\n\n{markdown(table, scores)}{END}"
    page.write_text(f"{before}{filled}{after}", encoding="utf-8")
    shutil.copyfile(results / "codecs.png", Path(docs) / "codecs.png")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m giblet.features.bakeoff_page RESULTS_FOLDER DOCS_FOLDER")
    try:
        fill_page(*sys.argv[1:])
    except ConfigError as error:
        sys.exit(str(error))
