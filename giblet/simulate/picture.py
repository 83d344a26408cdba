"""Drawing simulated scenes: a textured place, and in it a textured thing that moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from giblet.simulate.scenes import COLOURS, Scene
from giblet.simulate.seeds import generator

Picture = NDArray[np.uint8]
Field = NDArray[np.floating]
CANVAS_FACTOR = 1.6


def draw_scene(
    scene: Scene, *, run: str, width: int, height: int, frame_rate_hz: float, seed: int
) -> Iterator[Picture]:
    """Yield the frames of a scene.

    Yields
    ------
    array of shape (height, width, 3), uint8, RGB
    """
    rng = generator(seed, "picture", run, str(scene.number))
    canvas = _background(scene.place, rng, round(width * CANVAS_FACTOR), height * 2)
    skin = _skin(scene.texture, np.asarray(COLOURS[scene.colour], dtype=np.float64))
    for frame in range(scene.stop_frame - scene.start_frame):
        time_s = frame / frame_rate_hz
        picture = _view(canvas, scene, time_s, width, height).copy()
        _paste_thing(picture, scene, skin, time_s, (scene.stop_s - scene.start_s))
        yield _light(picture, scene, time_s)


def _view(canvas: Picture, scene: Scene, time_s: float, width: int, height: int) -> Picture:
    """The part of the place that the camera sees, swinging about its middle."""
    room_x, room_y = canvas.shape[1] - width, canvas.shape[0] - height
    x = 0.5 + 0.5 * np.sin(2 * np.pi * scene.pan[0] * time_s + 6 * scene.x)
    y = 0.5 + 0.5 * np.sin(2 * np.pi * scene.pan[1] * time_s + 6 * scene.y)
    left, top = int(x * room_x), int(y * room_y)
    return canvas[top : top + height, left : left + width]


def _light(picture: Picture, scene: Scene, time_s: float) -> Picture:
    """Brightness and colour balance at a moment, through one table a channel."""
    swing = 1 + scene.flicker * np.sin(2 * np.pi * scene.flicker_hz * time_s + 9 * scene.x)
    lit = np.empty_like(picture)
    for channel, tint in enumerate(scene.tint):
        table = np.clip(np.arange(256) * scene.light * swing * tint, 0, 255).astype(np.uint8)
        lit[..., channel] = table[picture[..., channel]]
    return lit


def _background(place: str, rng: np.random.Generator, width: int, height: int) -> Picture:
    """A place, larger than the frame so that the camera can move."""
    y, x = np.mgrid[0:height, 0:width] / height
    colours, shade = _PLACES[place](x, y, rng)
    rough = _smooth_noise(rng, height, width, 24) * 0.6 + _smooth_noise(rng, height, width, 8)
    base = colours * (shade + 0.22 * rough)[..., None]
    return np.clip(base, 0, 255).astype(np.uint8)


def _smooth_noise(rng: np.random.Generator, height: int, width: int, n_cells: int) -> Field:
    """Smooth random field in -1..1 with about `n_cells` bumps over the height."""
    cells = (n_cells + 2, n_cells * width // height + 2)
    field = zoom(
        rng.uniform(-1, 1, cells).astype(np.float32),
        (height / cells[0] + 0.2, width / cells[1] + 0.2),
        order=1,
    )
    return np.asarray(field[:height, :width])


def _harbour(x: Field, y: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    sea = y > 0.5
    colours = np.where(sea[..., None], (40.0, 105.0, 150.0), (165.0, 200.0, 230.0))
    waves = 0.16 * np.sin(2 * np.pi * (34 * y + 0.6 * np.sin(9 * x + rng.uniform(0, 6))))
    return colours, 1 + np.where(sea, waves, 0.25 * (0.5 - y))


def _forest(x: Field, y: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    trunk = np.sin(2 * np.pi * (7 * x + 0.15 * np.sin(5 * y) + rng.uniform())) > 0.55
    colours = np.where(trunk[..., None], (85.0, 60.0, 35.0), (45.0, 110.0, 45.0))
    return colours, 1.15 - 0.4 * y


def _street(x: Field, y: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    window = (np.mod(9 * x + rng.uniform(), 1) < 0.5) & (np.mod(8 * y, 1) < 0.55) & (y < 0.72)
    colours = np.where(window[..., None], (225.0, 210.0, 140.0), (110.0, 110.0, 120.0))
    return colours, np.where(y > 0.72, 0.45, 0.95)


def _desert(x: Field, y: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    dune = y > 0.45 + 0.08 * np.sin(2 * np.pi * (0.9 * x + rng.uniform()))
    colours = np.where(dune[..., None], (215.0, 170.0, 100.0), (130.0, 175.0, 225.0))
    return colours, 1 + 0.1 * np.sin(2 * np.pi * (5 * y + 2 * x))


def _kitchen(x: Field, y: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    tile = np.mod(np.floor(6 * x + rng.uniform()) + np.floor(6 * y), 2) > 0
    return np.where(tile[..., None], (215.0, 205.0, 195.0), (150.0, 165.0, 160.0)), 1.0 + 0 * x


def _cave(x: Field, y: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    far = np.hypot(x - rng.uniform(0.6, 1.0), y - 0.5)
    colours = np.broadcast_to((95.0, 80.0, 90.0), (*x.shape, 3))
    return colours, np.clip(1.3 - 1.6 * far, 0.15, None) + 0.12 * np.sin(30 * far)


_PLACES: dict[str, Callable[[Field, Field, np.random.Generator], tuple[Field, Field]]] = {
    "harbour": _harbour,
    "forest": _forest,
    "street": _street,
    "desert": _desert,
    "kitchen": _kitchen,
    "cave": _cave,
}


def _skin(texture: str, colour: Field, n_pixels: int = 128) -> Picture:
    """Surface of a thing: its colour with a pattern of a darker shade."""
    v, u = np.mgrid[0:n_pixels, 0:n_pixels] / n_pixels
    dark = {
        "plain": np.zeros_like(u, dtype=bool),
        "striped": np.mod(5 * u, 1) < 0.45,
        "spotted": np.hypot(np.mod(5 * u, 1) - 0.5, np.mod(5 * v, 1) - 0.5) < 0.3,
        "checkered": np.mod(np.floor(5 * u) + np.floor(5 * v), 2) > 0,
    }[texture]
    return np.where(dark[..., None], colour * 0.3, colour).astype(np.uint8)


def _inside(thing: str, u: Field, v: Field) -> NDArray[np.bool_]:
    """Outline of a thing within the square -1..1, `v` pointing down."""
    radius = np.hypot(u, v)
    if thing == "balloon":
        return (np.hypot(u * 1.15, v + 0.2) < 0.8) | ((abs(u) < 0.04) & (v > 0.5))
    if thing == "box":
        return np.maximum(abs(u), abs(v)) < 0.72
    if thing == "kite":
        return abs(u) * 1.5 + abs(v) < 1
    if thing == "star":
        return radius < 0.62 + 0.36 * np.cos(5 * np.arctan2(u, -v))
    if thing == "ring":
        return (radius < 0.95) & (radius > 0.5)
    return (np.hypot(u * 1.1 + 0.25, v * 1.9) < 0.8) | (
        (u > 0.35) & (abs(v) < u - 0.3) & (u < 0.95)
    )


def _paste_thing(
    picture: Picture, scene: Scene, skin: Picture, time_s: float, length_s: float
) -> None:
    """Draw the thing where its action has brought it, in place."""
    height, width = picture.shape[:2]
    x, y, size, angle = _pose(scene, time_s, length_s)
    half = max(2, round(size * height / 2))
    centre_x, centre_y = round(x * width), round(y * height)
    top, bottom = max(0, centre_y - half), min(height, centre_y + half)
    left, right = max(0, centre_x - half), min(width, centre_x + half)
    if top >= bottom or left >= right:
        return
    rows = ((np.arange(top, bottom) - centre_y) / half)[:, None]
    columns = ((np.arange(left, right) - centre_x) / half)[None, :]
    u = np.cos(angle) * columns + np.sin(angle) * rows
    v = np.cos(angle) * rows - np.sin(angle) * columns
    mask = _inside(scene.thing, u, v)
    place = np.clip((np.stack([v, u]) + 1) * (len(skin) / 2), 0, len(skin) - 1).astype(np.intp)
    picture[top:bottom, left:right][mask] = skin[place[0][mask], place[1][mask]]


def _pose(scene: Scene, time_s: float, length_s: float) -> tuple[float, float, float, float]:
    """Position, size and angle of the thing: ``x, y, size, angle`` (radians)."""
    x, y, size, angle = scene.x, scene.y, scene.size, 0.0
    part = time_s / length_s
    if scene.action == "rises":
        y = 1.05 - 1.1 * part
    elif scene.action == "falls":
        y = -0.05 + 1.1 * part
    elif scene.action == "drifts":
        x = -0.1 + 1.2 * part
    elif scene.action == "spins":
        angle = 2 * np.pi * 0.7 * time_s
    elif scene.action == "trembles":
        x += 0.04 * np.sin(2 * np.pi * 3.1 * time_s)
        y += 0.05 * np.sin(2 * np.pi * 2.3 * time_s)
    else:
        size *= 0.3 + 1.7 * part
    return x, y, size, angle
