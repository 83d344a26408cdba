"""What a simulated film shows: its vocabulary and the plan of its scenes.

Every scene is one shot of one thing in one place, described by five words chosen
independently of each other: texture, colour, thing, action and place. A description met for
the first time in a test block is thus made of words that were met in training.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from giblet.errors import ConfigError
from giblet.simulate.seeds import generator
from giblet.store import replacing
from giblet.timing import Exact, as_fraction, n_items

PLACES = {
    "harbour": "over the harbour",
    "forest": "in the forest",
    "street": "in the street",
    "desert": "in the desert",
    "kitchen": "in the kitchen",
    "cave": "inside the cave",
}
THINGS = ("balloon", "box", "kite", "star", "ring", "fish")
TEXTURES = ("plain", "striped", "spotted", "checkered")
ACTIONS = ("rises", "falls", "drifts", "spins", "trembles", "grows")
COLOURS = {
    "red": (225, 40, 35),
    "orange": (245, 150, 20),
    "green": (50, 190, 60),
    "blue": (45, 85, 230),
    "purple": (150, 55, 190),
    "white": (240, 240, 240),
}
VOICES = ("en", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-us+f2", "en+f3", "en-us+m3")
LIGHT_RANGE = (0.3, 1.15)
TINT_RANGE = (0.55, 1.45)


@dataclass(frozen=True)
class Scene:
    """One shot of a film; what is not described varies independently of what is.

    Attributes
    ----------
    start_frame, stop_frame
        Half-open range of frames; `start_s` and `stop_s` are the same in seconds.
    light, tint, flicker, flicker_hz, pan
        Brightness, colour balance (red, green, blue), depth and rate of slow changes of
        light, and movement of the camera in frame widths and heights a second.
    size, x, y
        Size of the thing in frame heights and where it starts, in parts of the frame.
    annotated, narrated
        Whether the annotation table describes the scene, and whether a voice does.
    """

    number: int
    start_frame: int
    stop_frame: int
    start_s: float
    stop_s: float
    place: str
    thing: str
    texture: str
    colour: str
    action: str
    light: float
    tint: tuple[float, float, float]
    flicker: float
    flicker_hz: float
    pan: tuple[float, float]
    size: float
    x: float
    y: float
    annotated: bool
    narrated: bool
    voice: str
    rate_wpm: int
    pitch: int
    ambience_db: float

    @property
    def description(self) -> str:
        """The scene in one sentence."""
        article = "An" if self.texture[0] in "aeiou" else "A"
        return (
            f"{article} {self.texture} {self.colour} {self.thing} {self.action} "
            f"{PLACES[self.place]}."
        )


def plan_scenes(
    run: str,
    n_trs: int,
    *,
    tr_s: Exact,
    frame_rate_hz: Exact,
    scene_min_s: float,
    scene_max_s: float,
    annotated_share: float,
    narrated_share: float,
    seed: int,
) -> list[Scene]:
    """Cut a run of `n_trs` TRs into scenes.

    Raises
    ------
    ConfigError
        If the shortest scene is longer than the longest, or the film has no frame.
    """
    if scene_min_s > scene_max_s:
        raise ConfigError(
            f"simulate/film/scene_min_s is {scene_min_s} and scene_max_s is {scene_max_s}: "
            "the shortest scene cannot be longer than the longest"
        )
    rate = as_fraction(frame_rate_hz, "simulate/film/frame_rate_hz")
    n_frames = n_items(n_trs, tr_s, rate)
    if n_frames == 0:
        raise ConfigError(f"simulate/film/n_trs has a run of {n_trs} TRs: use 1 or more")
    rng = generator(seed, "film", run)
    cuts = _cuts(rng, n_frames, float(rate), scene_min_s, scene_max_s)
    decks = {
        name: _deck(rng, list(words), len(cuts) - 1)
        for name, words in (
            ("place", PLACES),
            ("thing", THINGS),
            ("texture", TEXTURES),
            ("colour", COLOURS),
            ("action", ACTIONS),
        )
    }
    scenes = []
    for number, (start, stop) in enumerate(pairwise(cuts)):
        scenes.append(
            Scene(
                number=number,
                start_frame=start,
                stop_frame=stop,
                start_s=float(start / rate),
                stop_s=float(stop / rate),
                annotated=bool(rng.random() < annotated_share),
                narrated=bool(rng.random() < narrated_share),
                place=decks["place"][number],
                thing=decks["thing"][number],
                texture=decks["texture"][number],
                colour=decks["colour"][number],
                action=decks["action"][number],
                **_appearance(rng),
            )
        )
    return scenes


def _cuts(
    rng: np.random.Generator, n_frames: int, rate: float, min_s: float, max_s: float
) -> list[int]:
    """First frame of each scene and the end of the film."""
    cuts = [0]
    while cuts[-1] < n_frames:
        length = max(1, round(rng.uniform(min_s, max_s) * rate))
        left = n_frames - cuts[-1] - length
        # A remainder too short to be a scene goes to the last one.
        cuts.append(n_frames if left < min_s * rate else cuts[-1] + length)
    return cuts


def _deck(rng: np.random.Generator, words: list[str], n_scenes: int) -> list[str]:
    """Words for all scenes: shuffled packs, so that each word comes up equally often."""
    drawn: list[str] = []
    while len(drawn) < n_scenes:
        drawn.extend(words[place] for place in rng.permutation(len(words)))
    return drawn[:n_scenes]


def _appearance(rng: np.random.Generator) -> dict[str, Any]:
    """What the description does not say."""
    return {
        "light": float(rng.uniform(*LIGHT_RANGE)),
        "tint": tuple(float(part) for part in rng.uniform(*TINT_RANGE, size=3)),
        "flicker": float(rng.uniform(0, 0.35)),
        "flicker_hz": float(rng.uniform(0.08, 0.35)),
        "pan": tuple(float(part) for part in rng.uniform(-0.12, 0.12, size=2)),
        "size": float(rng.uniform(0.35, 0.6)),
        "x": float(rng.uniform(0.25, 0.75)),
        "y": float(rng.uniform(0.3, 0.7)),
        "voice": str(rng.choice(VOICES)),
        "rate_wpm": int(rng.integers(155, 190)),
        "pitch": int(rng.integers(30, 70)),
        "ambience_db": float(rng.uniform(-38, -16)),
    }


def write_annotations(path: str | Path, scenes: list[Scene]) -> None:
    """Write the descriptions as a table: ``start_s, end_s, text, spoken``, in film time.

    `spoken` is whether the narrator reads the text out: yes or no.
    """
    rows = [
        (
            f"{scene.start_s:.6f}",
            f"{scene.stop_s:.6f}",
            scene.description,
            "yes" if scene.narrated else "no",
        )
        for scene in scenes
        if scene.annotated
    ]
    table = pd.DataFrame(rows, columns=["start_s", "end_s", "text", "spoken"])
    with replacing(path) as partial:
        table.to_csv(partial, sep="\t", index=False)
