"""Spectrograms of the sounds that can be listened to, one above the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from giblet.features.mel import log_mel
from giblet.results import made_sound
from giblet.validate.audio_decode import PLAYED
from giblet.validate.figures import figure

N_MELS = 64
HOP_S = 0.02
MEANING = {
    "original": "original",
    "ceiling": "original through the codec (ceiling)",
    "model": "film through the whole network",
    "from_bold": "from measured BOLD",
    "from_predicted": "from predicted BOLD",
}


def draw_audio(wavs: Sequence[str | Path], folder: str | Path, *, dpi: int) -> None:
    """Draw ``{run}_spectrograms.png`` of each run into `folder`.

    Parameters
    ----------
    wavs : ``{run}_{source}.wav`` of all runs and sources
    """
    named = {Path(path).stem: Path(path) for path in wavs}
    runs = dict.fromkeys(
        stem.removesuffix("_original") for stem in named if stem.endswith("_original")
    )
    for run in runs:
        present = [source for source in PLAYED if f"{run}_{source}" in named]
        kwargs = {"nrows": len(present), "figsize": (9, 1.1 * len(present)), "sharex": True}
        with figure(Path(folder) / f"{run}_spectrograms.png", dpi, squeeze=False, **kwargs) as (
            fig,
            axes,
        ):
            for axis, source in zip(axes[:, 0], present, strict=True):
                with made_sound(named[f"{run}_{source}"]) as file:
                    sound, rate_hz = file.read(dtype="float32"), file.samplerate
                mel = log_mel(sound, rate_hz, round(HOP_S * rate_hz), N_MELS)
                extent = (0, len(sound) / rate_hz, 0, N_MELS)
                axis.imshow(
                    mel.T, origin="lower", aspect="auto", extent=extent, vmin=np.log(1e-5), vmax=-1
                )
                axis.set_title(MEANING[source], fontsize=7, loc="left", pad=2)
                axis.set_yticks([])
            axes[-1, 0].set_xlabel("seconds of the test blocks, one after the other", fontsize=8)
            fig.suptitle(f"{run}: log-mel spectrograms", fontsize=9, y=0.98)
