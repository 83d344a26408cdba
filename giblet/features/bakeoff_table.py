"""Tables of the bake-off: every measurement, means over sounds, and a page's worth of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from giblet.features.bakeoff_sounds import SPEECH
from giblet.results import read_made_table, without_formulas
from giblet.store import replacing

STUDY = "this study's codec"
# What an entrant is to the reader.
WHAT = {
    "ceiling": "ceiling",
    "floor": "floor",
    "encodec": "neural codec",
    "opus": "in general use",
    "mel": "representation",
    "stft_magnitude": "representation",
    "stft": "representation",
    "cqt_magnitude": "representation",
    "cqt": "representation",
    "mulaw": "representation",
}
COLUMNS = (
    "entrant",
    "family",
    "what",
    "sound",
    "kind",
    "start_s",
    "length_s",
    "kbps",
    "frames_per_tr",
    "stoi",
    "estoi",
    "pesq",
    "pesq_band",
    "si_sdr_db",
    "log_mel_db",
    "log_spectral_db",
    "encode_x",
    "decode_x",
    "note",
)
MEASURED = [
    "kbps",
    "frames_per_tr",
    "stoi",
    "estoi",
    "pesq",
    "si_sdr_db",
    "log_mel_db",
    "log_spectral_db",
    "encode_x",
    "decode_x",
]
SHOWN = {
    "kbps": ("kbps", 2),
    "frames_per_tr": ("frames / TR", 1),
    "stoi": ("STOI", 3),
    "stoi_speech": ("STOI, speech", 3),
    "estoi": ("ESTOI", 3),
    "pesq": ("PESQ, speech", 2),
    "si_sdr_db": ("SI-SDR, dB", 1),
    "log_mel_db": ("log-mel, dB", 1),
    "log_spectral_db": ("log-spectral, dB", 1),
    "encode_x": ("encode, × real time", 0),
    "decode_x": ("decode, × real time", 0),
}
# Beyond this nothing but rounding is left.
LARGE_DB = 80.0


def write_tables(
    rows: Sequence[Mapping[str, Any]], study_entrant: str, folder: str | Path
) -> pd.DataFrame:
    """Write ``scores.csv``, ``table.csv`` and ``table.md``.

    Parameters
    ----------
    rows : one per entrant and sound, or per skipped entrant (without a sound, with a note)
    study_entrant : name of the entrant that is the study's own setting

    Returns
    -------
    the content of ``table.csv``, see :func:`summary`
    """
    scores = pd.DataFrame(rows).reindex(columns=COLUMNS)
    scores["what"] = scores["family"].map(WHAT)
    scores.loc[scores["entrant"] == study_entrant, "what"] = STUDY
    table = summary(scores)
    for frame, name in ((scores, "scores.csv"), (table, "table.csv")):
        with replacing(Path(folder) / name) as partial:
            without_formulas(frame).to_csv(partial, index=False, float_format="%.6g")
    # From what was written, so that the table made from the files again is the same.
    stored = (read_made_table(Path(folder) / f"{name}.csv") for name in ("table", "scores"))
    with replacing(Path(folder) / "table.md") as partial:
        partial.write_text(markdown(*stored), encoding="utf-8")
    return table


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean of each measurement over the sounds, one row per entrant, in order of entry.

    ``stoi_speech`` and ``pesq`` are means over the sounds of speech, ``n`` counts sounds. A
    skipped entrant has no measurements, n 0, and its reason in ``note``.
    """
    out = []
    for entrant, group in scores.groupby("entrant", sort=False):
        measured = group[group["sound"].notna()]
        speech = measured[measured["kind"] == SPEECH]
        first = group.iloc[0]
        out.append(
            {"entrant": entrant, "family": first["family"], "what": first["what"]}
            | measured[MEASURED].astype(float).mean().to_dict()
            | {
                "stoi_speech": speech["stoi"].astype(float).mean(),
                "n": len(measured),
                "n_speech": len(speech),
                "note": "" if len(measured) else first["note"],
            }
        )
    columns = ["entrant", "family", "what", "n", "n_speech", *SHOWN, "note"]
    return pd.DataFrame(out).reindex(columns=columns)


def markdown(table: pd.DataFrame, scores: pd.DataFrame) -> str:
    """The means as a Markdown table, what was measured above it, what was not below."""
    heads = ["", "what it is", *(head for head, _ in SHOWN.values())]
    lines = [_sounds(scores), "", _line(heads), _line(["---", "---", *["---:"] * len(SHOWN)])]
    for _, row in table[table["n"] > 0].iterrows():
        bold = "**" if row["what"] == STUDY else ""
        cells = [_cell(row[name], digits) for name, (_, digits) in SHOWN.items()]
        lines.append(_line([f"{bold}{row['entrant']}{bold}", row["what"], *cells]))
    return "\n".join([*lines, *_skipped(table[table["n"] == 0])]) + "\n"


def _skipped(skipped: pd.DataFrame) -> list[str]:
    """What was asked for and did not run, with the reason; neighbours share a line."""
    if skipped.empty:
        return []
    lines = ["", "Asked for, not measured:", ""]
    named = skipped["entrant"].str.rpartition(", ")
    for (name, reason), group in named.groupby([named[0], skipped["note"]], sort=False):
        which = ", ".join(part for part in (name, *group[2]) if part)
        lines.append(f"- {which}: {reason}")
    return lines


def _sounds(scores: pd.DataFrame) -> str:
    """Which sounds the table is about."""
    columns = ["sound", "kind", "start_s", "length_s"]
    heard = scores[scores["sound"].notna()][columns].drop_duplicates("sound")
    parts = [
        f"{row.sound} ({row.kind}, {row.length_s:g} s from {row.start_s:.1f} s on)"
        for row in heard.itertuples()
    ]
    bands = sorted(set(scores["pesq_band"].dropna()) - {""})
    pesq = f" PESQ is {' and '.join(f'P.862 {band}' for band in bands)}." if bands else ""
    notes = sorted({n for n in scores.loc[scores["sound"].notna(), "note"].dropna() if n})
    missing = f" Empty cells: {'; '.join(notes)}." if notes else ""
    over = "One sound" if len(parts) == 1 else f"Means over {len(parts)} sounds"
    return f"{over}: {', '.join(parts)}.{pesq}{missing}"


def _cell(value: float, digits: int) -> str:
    if pd.isna(value):
        return ""
    if abs(value) >= LARGE_DB and digits == 1:
        return f"{value:.0f}"
    return f"{value:.{digits}f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
