"""The comparison of the heads of sound: one long table, and one to read.

Beside the variants stand what knows only the training TRs (their mean latent, their commonest
codes) and the ceiling (the original through the codec).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from giblet.features.audio import codec_of
from giblet.store import replacing
from giblet.timing import as_fraction
from giblet.train.data import open_study
from giblet.validate.ablation_scores import (
    EXPORTS,
    SPLITS,
    TOP,
    Coder,
    HeldOut,
    Row,
    code_rows,
    sound_rows,
)

COLUMNS = ["variant", "split", "source", "export", "codebook", "metric", "value"]
SOURCES = {"from_bold": "from measured BOLD", "model": "from the stimulus, through the brain layer"}


def compare_variants(
    study: str | Path,
    audio: Sequence[str | Path],
    scores: Sequence[str | Path],
    *,
    table: str | Path,
    page: str | Path,
    clip_trs: int,
    codec: Coder | None = None,
) -> None:
    """Write ``ablation.csv`` (long) and ``ablation.md`` (the test TRs, and the choice).

    Parameters
    ----------
    audio
        ``stimulus/{run}/audio.wav`` of the study's runs.
    scores
        Tables of :func:`giblet.validate.ablation_scores.score_variant`.
    """
    rows: list[Row] = []
    with open_study(study) as opened:
        codec = codec or codec_of(opened.file)
        for split in SPLITS:
            held = HeldOut(opened, audio, codec, split, clip_trs)
            rows += [{"split": split, **row} for row in references(held)]
        size = {split: sum(s.stop - s.start for s in opened.segments(split)) for split in SPLITS}
        seconds = float(as_fraction(opened.tr_s))
        about = (
            f"{size['val']} validation and {size['test']} test TRs of {seconds:g} s, "
            f"{len(opened.subjects)} subjects, codec `{Path(str(opened.file.attrs['codec'])).name}`"
        )
    parts = [pd.read_csv(path, sep="\t") for path in scores]
    found = pd.concat([*parts, pd.DataFrame(rows)], ignore_index=True)[COLUMNS]
    with replacing(table) as partial:
        found.to_csv(partial, index=False)
    with replacing(page) as partial:
        partial.write_text(as_page(found, about), encoding="utf-8")


def references(held: HeldOut) -> Iterator[Row]:
    """Floors and ceilings that no network has a part in."""
    study, parts = held.study, held.segments
    order = np.argsort(-study.code_counts, axis=1, kind="stable")  # [Q, K]
    place = np.argsort(order, axis=1)  # [Q, K]: how many codes are commoner
    true = {part: held.codes(part) for part in parts}
    joined = np.concatenate(list(true.values()), axis=1)  # [Q, N]
    floor = {"variant": "floor"}
    for row in code_rows("codes", np.take_along_axis(place, joined, axis=1)):
        yield {**floor, "source": "floor_unigram", **row}
    commonest = {part: np.repeat(order[:, :1], codes.shape[1], 1) for part, codes in true.items()}
    for row in sound_rows(held, "codes", commonest):
        yield {**floor, "source": "floor_unigram", **row}
    mean = {part: np.tile(study.latent_mean, (codes.shape[1], 1)) for part, codes in true.items()}
    for row in sound_rows(held, "latents", mean):
        yield {**floor, "source": "floor_mean", **row}
    for row in sound_rows(held, "codes", true):
        yield {"variant": "ceiling", "source": "ceiling", **row}


def as_page(found: pd.DataFrame, about: str) -> str:
    """The tables to read, in Markdown."""
    best = choice(found)
    lines = [
        f"Measured on {about}; made by `snakemake ablation_audio`. Log-mel distance (natural log, "
        "lower is better) and STOI of sound decoded from predicted latents / re-quantised latents "
        "/ most probable codes; top-1 and top-10 in percent, mean over codebooks; from BOLD, mean "
        "over subjects.",
        "",
        f"**Chosen on the validation TRs: `{best[0]}`, decoded from {best[1]}** (smallest log-mel "
        f"distance, mean of both sources: {best[2]:.3f}).",
    ]
    for source, title in SOURCES.items():
        lines += ["", f"Test TRs, {title}:", "", *_overview(found, source)]
    lines += ["", "Test TRs, top-1 / top-10 per codebook (%), from the stimulus:", ""]
    lines += _per_codebook(found)
    return "\n".join(lines) + "\n"


def choice(found: pd.DataFrame) -> tuple[str, str, float]:
    """Variant and export with the smallest validation log-mel distance, mean over sources."""
    rows = found[
        (found["split"] == "val")
        & (found["metric"] == "log_mel_distance")
        & found["source"].isin(list(SOURCES))
    ]
    means = rows.groupby(["variant", "export"])["value"].mean()
    variant, export = str(means.idxmin()[0]), str(means.idxmin()[1])  # type: ignore[index]
    return variant, export, float(means.min())


def _variants(found: pd.DataFrame) -> list[str]:
    return [str(v) for v in found.loc[found["source"] == "model", "variant"].unique()]


def _overview(found: pd.DataFrame, source: str) -> list[str]:
    head = ["heads", "log-mel distance", "STOI", "top-1", "top-10", "r of BOLD"]
    test = found[found["split"] == "test"]
    body = []
    for variant in _variants(found):
        mine = test[(test["variant"] == variant)]
        bold = mine.loc[mine["metric"] == "bold_r", "value"]
        row = _row(variant, mine[mine["source"] == source])
        body.append([*row, f"{bold.iloc[0]:.3f}" if len(bold) else ""])
    body.append([*_row("floor: commonest codes", test[test["source"] == "floor_unigram"]), ""])
    body.append([*_row("floor: mean latent", test[test["source"] == "floor_mean"]), ""])
    body.append([*_row("ceiling: true codes", test[test["source"] == "ceiling"]), ""])
    return _markdown(head, body)


def _row(name: str, rows: pd.DataFrame) -> list[str]:
    value = rows.groupby(["metric", "export"])["value"].mean()

    def shown(metric: str, scale: float, digits: int, exports: Sequence[str]) -> str:
        parts = [value.get((metric, export), np.nan) for export in exports]
        return " / ".join("–" if np.isnan(v) else f"{scale * v:.{digits}f}" for v in parts)

    return [
        name,
        shown("log_mel_distance", 1, 3, EXPORTS),
        shown("stoi", 1, 3, EXPORTS),
        shown("top1", 100, 2, ["codes"]),
        shown("top10", 100, 2, ["codes"]),
    ]


def _per_codebook(found: pd.DataFrame) -> list[str]:
    test = found[(found["split"] == "test") & (found["export"] == "codes")]
    test = test[test["codebook"].notna() & test["source"].isin(["model", "floor_unigram"])]
    books = sorted({int(book) for book in test["codebook"]})
    body = []
    for variant in [*_variants(found), "floor"]:
        mine = test[test["variant"] == variant].set_index(["codebook", "metric"])["value"]
        cells = [" / ".join(f"{100 * mine[book, f'top{n}']:.1f}" for n in TOP) for book in books]
        body.append(["floor: commonest codes" if variant == "floor" else variant, *cells])
    return _markdown(["heads", *(f"codebook {book}" for book in books)], body)


def _markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)]
