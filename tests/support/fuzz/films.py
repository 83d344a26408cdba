"""Films and recordings."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.support.fuzz.headers import change_box, change_chunk, change_packets
from tests.support.fuzz.kinds import Kind, choice, mixture
from tests.support.fuzz.plain import BYTES, Mutation

RATE_HZ = 16000
PER_S = 10
SECONDS = 2


def film(
    path: Path,
    codec: str = "libx264",
    audio_codec: str = "aac",
    options: dict[str, str] | None = None,
    container: str | None = None,
) -> Path:
    """Two seconds of 64 x 48 pictures that get brighter, with a tone."""
    import av

    # The same file every time, without random identifiers.
    options = {"fflags": "+bitexact", **(options or {})}
    with av.open(str(path), "w", format=container, options=options) as out:
        video = out.add_stream(codec, rate=PER_S) if codec else None
        audio = out.add_stream(audio_codec, rate=RATE_HZ, layout="mono") if audio_codec else None
        if video is not None:
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            video.thread_count = 1
            for number in range(PER_S * SECONDS):
                picture = np.full((48, 64, 3), 12 * number, np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, PER_S)
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
        if audio is not None:
            for start in range(0, RATE_HZ * SECONDS, 1000):
                wave = 8000 * np.sin(0.3 * np.arange(start, start + 1000))
                frame = av.AudioFrame.from_ndarray(wave[None].astype(np.int16), "s16", "mono")
                frame.sample_rate, frame.pts = RATE_HZ, start
                frame.time_base = Fraction(1, RATE_HZ)
                out.mux(audio.encode(frame))
            out.mux(audio.encode(None))
    return path


def maker(*films: tuple[str, dict[str, object]]) -> Callable[[Path], list[Path]]:
    """A maker of films by their suffix and the arguments of `film`."""
    return lambda folder: [
        film(folder / f"good{number}{suffix}", **arguments)  # type: ignore[arg-type]
        for number, (suffix, arguments) in enumerate(films)
    ]


def read_film(file: Path, _: Path) -> None:
    """As the three jobs of a run read its film: length, picture and sound."""
    import h5py

    from giblet.stimulus.media import run_length
    from giblet.stimulus.text import extract_text
    from giblet.stimulus.video import extract_frames

    run = {
        "tr_s": "0.5",
        "movie_onset_s": choice(file, 0, 0, "-0.7", "1.2"),
        "n_trs": choice(file, 0, 0, 0, 5),
        "damaged": choice(file, "error", "partial"),
    }
    out = file.parent
    length = run_length(file, **run)
    extract_frames(file, out / "out.h5", **run, width=16, height=9, frames_per_tr=2)
    with h5py.File(out / "out.h5") as made:
        assert len(made["frames"]) == length
    _sound(file, run)
    extract_text("", out / "out.tsv", movie=file, **run)


def read_recording(file: Path, _: Path) -> None:
    """As the job of a run reads its sound."""
    damaged = choice(file, "error", "partial")
    _sound(file, {"tr_s": "0.5", "n_trs": choice(file, 0, 0, 0, 5), "damaged": damaged})


def _sound(file: Path, run: dict[str, object]) -> None:
    from giblet.stimulus.audio import extract_audio

    extract_audio(file, file.parent / "out.wav", **run, sample_rate_hz=12000)  # type: ignore[arg-type]


def _kind(
    name: str, mutation: Mutation, *films: tuple[str, dict[str, object]], weight: int
) -> Kind:
    return Kind(f"film {name}", maker(*films), mutation, read_film, weight)


MPEG4 = {"codec": "mpeg4", "audio_codec": "mp2"}
MP4 = mixture((3, change_box), (2, BYTES))
RIFF = mixture((3, change_chunk), (2, BYTES))
PACKETS = mixture((3, change_packets), (2, BYTES))
FLV = {"codec": "flv1", "audio_codec": "pcm_s16le"}
MPEG2 = {"codec": "mpeg2video", "audio_codec": "mp2"}
VP8 = {"codec": "libvpx", "audio_codec": "libopus"}
SOUND = {"codec": ""}
KINDS = [
    _kind("mp4", MP4, (".mp4", {}), (".mov", {}), (".mp4", MPEG4), weight=8),
    _kind(
        "fragments", MP4, (".mp4", {"options": {"movflags": "frag_keyframe+empty_moov"}}), weight=2
    ),
    _kind("mkv", mixture((1, BYTES)), (".mkv", {}), (".mkv", MPEG4), weight=5),
    _kind("ts", PACKETS, (".ts", {}), (".ts", MPEG2), weight=5),
    _kind("avi", RIFF, (".avi", MPEG4), (".avi", {}), weight=5),
    _kind("other", mixture((1, BYTES)), (".flv", FLV), (".mpg", MPEG2), (".webm", VP8), weight=3),
    Kind(
        "wav",
        maker((".wav", {**SOUND, "audio_codec": "pcm_s16le"})),
        RIFF,
        read_recording,
        5,
    ),
    Kind(
        "other sound",
        maker(
            (".flac", {**SOUND, "audio_codec": "flac"}),
            (".m4a", {**SOUND, "container": "mp4"}),
            (".mp2", {**SOUND, "audio_codec": "mp2"}),
        ),
        mixture((1, BYTES)),
        read_recording,
        3,
    ),
]
