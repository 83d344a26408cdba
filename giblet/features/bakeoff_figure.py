"""Quality against bitrate, one curve per family of entrants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from giblet.features.bakeoff_table import STUDY
from giblet.store import replacing

PANELS = {
    "stoi": "STOI",
    "pesq": "PESQ (speech)",
    "si_sdr_db": "SI-SDR, dB",
    "log_mel_db": "log-mel distance, dB (lower is better)",
}
# Okabe & Ito's palette, which colour-blind readers can tell apart, with markers.
LOOKS = {
    "encodec": ("#0072B2", "o"),
    "opus": ("#000000", "s"),
    "mel": ("#D55E00", "^"),
    "stft_magnitude": ("#E69F00", "v"),
    "stft": ("#009E73", "v"),
    "cqt_magnitude": ("#CC79A7", "D"),
    "cqt": ("#56B4E9", "D"),
    "mulaw": ("#999999", "x"),
}
NAMES = {
    "opus": "Opus",
    "mel": "mel + Griffin-Lim",
    "stft_magnitude": "STFT magnitude + Griffin-Lim",
    "stft": "STFT with phase",
    "cqt_magnitude": "constant-Q magnitude + Griffin-Lim",
    "cqt": "constant-Q with phase",
    "mulaw": "µ-law waveform",
}
LINES = {"ceiling": ":", "floor": "--"}
LIMITS = {"stoi": (0, 1.05), "si_sdr_db": (-60, 60)}
LINE_STYLES = ("-", "--", ":", "-.")


def draw(table: pd.DataFrame, path: str | Path, dpi: int) -> None:
    """Draw the means of :func:`giblet.features.bakeoff_table.summary` as a PNG.

    Ceiling and floor are horizontal lines; the study's own setting has a ring.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 7.4), layout="constrained")
    shown = table[table["n"] > 0]
    for axis, (metric, title) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
        _panel(axis, shown, metric, title)
    handles = {
        label: handle
        for axis in figure.axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=3, fontsize=8)
    with replacing(path) as partial:
        figure.savefig(partial, dpi=dpi, facecolor="white")


def _panel(axis: Any, shown: pd.DataFrame, metric: str, title: str) -> None:
    axis.set_title(title, fontsize=9)
    if not shown[metric].notna().any():
        # PESQ without its package, or sound that is no speech.
        axis.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axis.transAxes)
        axis.set_axis_off()
        return
    for family, style in LINES.items():
        for value in shown.loc[shown["family"] == family, metric].dropna():
            axis.axhline(value, color="#666666", linestyle=style, linewidth=1, label=family)
    styles = {family: iter(LINE_STYLES * len(shown)) for family in LOOKS}
    for name, curve in curves(shown):
        family = curve["family"].iloc[0]
        look = {"color": LOOKS[family][0], "marker": LOOKS[family][1], "ms": 4, "lw": 1}
        axis.plot(curve["kbps"], curve[metric], next(styles[family]), label=name, **look)
    study = shown[shown["what"] == STUDY]
    ring = {"facecolors": "none", "edgecolors": "#D55E00", "linewidths": 1.6, "zorder": 5}
    axis.scatter(study["kbps"], study[metric], s=90, label=STUDY, **ring)
    axis.set_xscale("log")
    axis.set_xlabel("kbps", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.3)
    axis.set_ylim(*LIMITS.get(metric, (None, None)))


def curves(shown: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Entrants that differ in bitrate only, by name, each sorted by bitrate.

    Neural codecs are told apart by name and rate, mel bands by the bits of a value.
    """
    entered = shown[shown["family"].isin(LOOKS)]
    names = [_curve(row["family"], row["entrant"]) for _, row in entered.iterrows()]
    return [(str(n), part.sort_values("kbps")) for n, part in entered.groupby(names, sort=False)]


def _curve(family: str, entrant: str) -> str:
    before, _, last = entrant.rpartition(", ")
    if family == "encodec":
        return before
    return f"{NAMES[family]}, {last}" if family == "mel" else NAMES[family]
