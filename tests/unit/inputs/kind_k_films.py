"""Damaged films: refused with the second at which they break, never a traceback or a hang."""

import random
import struct
from contextlib import suppress

import av

from giblet import notices
from giblet.errors import GibletError
from giblet.stimulus.audio import extract_audio
from giblet.stimulus.media import run_length
from giblet.stimulus.video import extract_frames
from tests.support.bad_inputs import Kind
from tests.support.counting_films import counting_film, read_all

KIND = Kind(
    "Damaged films",
    "Every film, whatever its bytes, gives pictures and sound or one error, in bounded time and "
    "memory, and no more TRs than it can hold.",
)


@KIND.refused(
    "an mp4 one of whose stamps is corrupt: 12 s that would last a day",
    "…: its time stamps jump from 12.000 s to 100011.… s, beyond the 12.000 s its header states: "
    "convert it again from its source, or to mp4 or mkv",
)
def _(folder):
    path = counting_film(folder / "a.mp4", 12, b_frames=0)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as film:
        ticks = int(film.streams.video[0].time_base.denominator)
    # The table of durations of the picture: one entry becomes two, the second one large.
    at = data.find(b"stts")
    (n,) = struct.unpack_from(">I", data, at + 12)
    struct.pack_into(">I", data, at + 12, n - 1)
    data[at + 20 : at + 20] = struct.pack(">II", 1, 100_000 * ticks)
    struct.pack_into(">I", data, at + 8, 2)
    _grow(data, at, 8)
    path.write_bytes(data)
    run_length(path, 1)


def _grow(data, inside, by):
    """Add to the sizes of the boxes that hold a place."""
    at = 0
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"):
        at = data.find(name, at)
        size = struct.unpack_from(">I", data, at - 4)[0]
        assert at <= inside < at + size
        struct.pack_into(">I", data, at - 4, size + by)


@KIND.refused(
    "an mp4 cut short before its index",
    "…: not a film that can be opened (… bytes; …): play it in a media player; if it does not play "
    "there, copy or download it again",
)
def _(folder):
    path = counting_film(folder / "a.mp4", 3)
    path.write_bytes(path.read_bytes()[:2000])
    read_all(path)


@KIND.refused(
    "an mkv cut short",
    "…: the film breaks off or is damaged at 1.… s of 3.… s (the file is cut short): copy it "
    "again, or set stimulus/damaged to 'partial' to go on without what is missing",
)
def _(folder):
    path = counting_film(folder / "a.mkv", 3)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    read_all(path)


def mutated(data, rng):
    """Bytes cut short, changed, repeated or left out."""
    data = bytearray(data)
    at = rng.randrange(len(data))
    kind = rng.randrange(4)
    if kind == 0:
        del data[at:]
    elif kind == 1:
        for _ in range(rng.choice((1, 5, 50))):
            data[rng.randrange(len(data))] = rng.randrange(256)
    elif kind == 2:
        data[at:at] = data[at // 2 : at // 2 + rng.randrange(2000)]
    else:
        del data[at : at + rng.randrange(2000)]
    return bytes(data)


@KIND.read("20 films of five kinds with bytes changed, left out or repeated")
def _(folder):
    # Not the warnings of those that can be used are what this is about, but the errors.
    kinds = (
        ("mp4", "libx264", "aac"),
        ("mkv", "libx264", "aac"),
        ("ts", "libx264", "aac"),
        ("avi", "mpeg4", "pcm_s16le"),
        ("mov", "mpeg4", "pcm_s16le"),
    )
    rng = random.Random(18)
    whole = [
        counting_film(folder / f"whole.{suffix}", 1, codec=codec, audio_codec=audio)
        for suffix, codec, audio in kinds
    ]
    small = {"tr_s": 1, "n_trs": 2, "damaged": "partial"}
    for number in range(20):
        good = whole[number % len(whole)]
        path = folder / f"film{good.suffix}"
        path.write_bytes(mutated(good.read_bytes(), rng))
        with notices.collected():
            for read in (
                lambda path: run_length(path, 1),
                lambda path: extract_frames(
                    path, folder / "f.h5", frames_per_tr=1, width=16, height=9, **small
                ),
                lambda path: extract_audio(path, folder / "s.wav", sample_rate_hz=8000, **small),
            ):
                with suppress(GibletError):
                    read(path)
