"""Write a simulated film: H.264 pictures, AAC sound, and the table that describes it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.errors import ConfigError
from giblet.simulate.picture import draw_scene
from giblet.simulate.scenes import Scene, plan_scenes, write_annotations
from giblet.simulate.sound import mix, sounds_of
from giblet.store import replacing
from giblet.timing import Exact, as_fraction, n_items

CRF = "20"
X264 = "threads=1:sync-lookahead=0:no-mbtree=1"
AUDIO_BITS_PER_S = 96_000
AAC_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def make_film(
    movie: str | Path,
    annotations: str | Path,
    *,
    run: str,
    n_trs: int,
    tr_s: Exact,
    width: int,
    height: int,
    frame_rate_hz: Exact,
    sample_rate_hz: int,
    scene_min_s: float,
    scene_max_s: float,
    annotated_share: float,
    narrated_share: float,
    seed: int,
) -> None:
    """Make the film of one run and its annotation table.

    Parameters
    ----------
    movie, annotations
        Files to write: MP4, and a table ``start_s, end_s, text`` in film time.
    run
        Name of the run; other runs of the same seed get other scenes.
    n_trs, tr_s
        The film lasts ``n_trs * tr_s`` seconds.
    width, height
        Size in pixels, both even (H.264 stores colour at half of it).
    annotated_share, narrated_share
        Shares of the scenes that the table, and a voice, describe.

    Raises
    ------
    ConfigError
        If a setting cannot be encoded.
    """
    _refuse_unencodable(width, height, sample_rate_hz)
    scenes = plan_scenes(
        run,
        n_trs,
        tr_s=tr_s,
        frame_rate_hz=frame_rate_hz,
        scene_min_s=scene_min_s,
        scene_max_s=scene_max_s,
        annotated_share=annotated_share,
        narrated_share=narrated_share,
        seed=seed,
    )
    rate = as_fraction(frame_rate_hz)
    pictures = (
        picture
        for scene in scenes
        for picture in draw_scene(
            scene, run=run, width=width, height=height, frame_rate_hz=float(rate), seed=seed
        )
    )
    n_samples = n_items(n_trs, tr_s, sample_rate_hz)
    sounds = sounds_of(scenes, run=run, sample_rate_hz=sample_rate_hz, seed=seed)
    blocks = mix(sounds, n_samples, sample_rate_hz)
    with replacing(movie) as partial:
        _encode(partial, pictures, rate, (width, height), blocks, sample_rate_hz)
    write_annotations(annotations, scenes)
    print(_summary(run, scenes))


def _refuse_unencodable(width: int, height: int, sample_rate_hz: int) -> None:
    if width % 2 or height % 2:
        raise ConfigError(
            f"simulate/film/width and height are {width} and {height}: H.264 needs even numbers"
        )
    if sample_rate_hz not in AAC_RATES_HZ:
        raise ConfigError(
            f"simulate/film/sample_rate_hz is {sample_rate_hz}: AAC knows "
            f"{', '.join(map(str, AAC_RATES_HZ))}"
        )


def _encode(
    path: Path,
    pictures: Iterator[NDArray[np.uint8]],
    frame_rate_hz: Fraction,
    size: tuple[int, int],
    blocks: Iterator[NDArray[np.float32]],
    sample_rate_hz: int,
) -> None:
    """Encode pictures and sound side by side, a second of each at a time."""
    import av

    # One thread, no time stamp, and no macroblock tree, whose optimised code is not repeatable:
    # the same film is the same file.
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=frame_rate_hz)
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        video.options = {"preset": "veryfast", "crf": CRF, "x264-params": X264}
        audio = container.add_stream("aac", rate=sample_rate_hz, layout="mono")
        audio.bit_rate = AUDIO_BITS_PER_S
        n_frames = n_samples = 0
        for block in blocks:
            sound = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
            sound.sample_rate = sample_rate_hz
            sound.pts, sound.time_base = n_samples, Fraction(1, sample_rate_hz)
            container.mux(audio.encode(sound))
            n_samples += len(block)
            while Fraction(n_frames) / frame_rate_hz < Fraction(n_samples, sample_rate_hz):
                picture = next(pictures, None)
                if picture is None:
                    break
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = n_frames, 1 / frame_rate_hz
                container.mux(video.encode(frame))
                n_frames += 1
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def _summary(run: str, scenes: list[Scene]) -> str:
    told = sum(scene.annotated for scene in scenes)
    spoken = sum(scene.narrated for scene in scenes)
    return (
        f"{run}: {scenes[-1].stop_s:.1f} s, {len(scenes)} scenes, "
        f"{told} annotated, {spoken} narrated"
    )
