"""Films whose time stamps break: every stage plays the same film, or none does."""

import struct
from fractions import Fraction

import av

from tests.support.bad_inputs import Kind
from tests.support.counting_films import counting_film, read_all, remuxed, seen
from tests.unit.stimulus.made_films import make_film, numbered

KIND = Kind(
    "Films whose time stamps break",
    "Picture, sound and length follow one clock: what a media player plays is read, with a "
    "warning that names the second where stamps break; what has no one reading is refused.",
)

JOINED = (
    "…: its time stamps start anew at 3.… s: 2 recordings in one file, played one after the "
    "other as media players do; if that is not how it was shown, convert it again …"
)


def joined(folder, suffix, starts):
    """Recordings of 3 s whose stamps start at `starts`, in one file."""
    parts = [
        counting_film(folder / f"{n}.{suffix}", 3, first=10 * n, start_s=start).read_bytes()
        for n, start in enumerate(starts)
    ]
    path = folder / f"film.{suffix}"
    path.write_bytes(b"".join(parts))
    return path


def plays(path, numbers):
    """Whether all three stages find these numbers, one a second."""
    assert read_all(path) == (len(numbers), numbers, numbers)


def broken(folder, suffix, moved, seconds=8):
    """A film of 8 s whose stamps `moved` changes."""
    whole = counting_film(folder / "whole.mkv", seconds, b_frames=0)
    return remuxed(whole, folder / f"film.{suffix}", moved)


@KIND.read("stamps that start at 50 minutes")
def _(folder):
    plays(counting_film(folder / "a.ts", 3, start_s=3000), [0, 1, 2])


@KIND.read("a transport stream over the 26.5 hours after which its stamps wrap around")
def _(folder):
    plays(counting_film(folder / "a.ts", 4, start_s=95441), [0, 1, 2, 3])


@KIND.read("an avi with B-frames, whose stamps count pictures as they are decoded")
def _(folder):
    plays(counting_film(folder / "a.avi", 3), [0, 1, 2])


@KIND.read("an mp4 in fragments, whose header states no length")
def _(folder):
    options = {"movflags": "frag_keyframe+empty_moov"}
    plays(counting_film(folder / "a.mp4", 3, options=options), [0, 1, 2])


@KIND.read("an mp4 whose edit lists skip the first two seconds")
def _(folder):
    path = counting_film(folder / "a.mp4", 5)
    with av.open(str(path)) as film:
        ticks = [2 / stream.time_base for stream in film.streams]
    data = bytearray(path.read_bytes())
    at = -1
    for skipped in ticks:
        at = data.find(b"elst", at + 1)
        length, start = struct.unpack_from(">Ii", data, at + 12)
        struct.pack_into(">Ii", data, at + 12, length - 2000, start + int(skipped))
    path.write_bytes(data)
    plays(path, [2, 3, 4])


@KIND.read("slides: three pictures that stand for minutes")
def _(folder):
    slides = [numbered(n, 64, 36) for n in range(4)]
    path = make_film(folder / "a.mkv", [0, 2, 200, 201], slides, ticks=1000)
    assert seen(path, n_trs=5) == [0, 0, 1, 1, 1]


@KIND.read("one picture that stands for ten minutes")
def _(folder):
    with av.open(str(folder / "a.mp4"), "w") as out:
        video = out.add_stream("libx264", rate=24)
        video.width, video.height, video.pix_fmt = 64, 36, "yuv420p"
        frame = av.VideoFrame.from_ndarray(numbered(5, 64, 36), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 24)
        for packet in [*video.encode(frame), *video.encode(None)]:
            packet.duration = int(600 / packet.time_base)
            out.mux(packet)
    assert seen(folder / "a.mp4") == [5] * 600


@KIND.read("sound that starts three seconds after the picture")
def _(folder):
    path = broken(folder, "mkv", lambda kind, at_s: 3 if kind == "audio" else 0, 4)
    n_trs, pictures, sounds = read_all(path, n_trs=7)
    assert (n_trs, pictures) == (7, [0, 1, 2, 3, None, None, None])
    assert sounds == [None, None, None, 0, 1, 2, 3]


@KIND.read("a picture that stands still for three seconds while the sound goes on")
def _(folder):
    path = broken(folder, "mp4", lambda kind, at_s: None if kind == "video" and 3 < at_s < 6 else 0)
    assert read_all(path) == (8, [0, 1, 2, 3, 3, 3, 6, 7], list(range(8)))


@KIND.warned("transport streams joined: stamps jump 1,000 s ahead", JOINED)
def _(folder):
    plays(joined(folder, "ts", [0, 1000]), [0, 1, 2, 10, 11, 12])


@KIND.warned("transport streams joined: stamps start again at 0", JOINED)
def _(folder):
    plays(joined(folder, "ts", [0, 0]), [0, 1, 2, 10, 11, 12])


@KIND.warned("transport streams joined: stamps jump back by 1,000 s", JOINED)
def _(folder):
    plays(joined(folder, "ts", [1000, 0]), [0, 1, 2, 10, 11, 12])


@KIND.warned("mkv files joined byte by byte", JOINED)
def _(folder):
    plays(joined(folder, "mkv", [0, 0]), [0, 1, 2, 10, 11, 12])


@KIND.warned(
    "a transport stream with nothing for five seconds",
    "…: nothing is in it from 4.… s to 9.… s; the picture stands still and there is no sound "
    "for so long; if that is not how it was shown, convert it again …",
)
def _(folder):
    path = broken(folder, "ts", lambda kind, at_s: 5 if at_s > 3.9 else 0)
    assert read_all(path) == (
        13,
        [0, 1, 2, 3, 3, 3, 3, 3, 3, 4, 5, 6, 7],
        [0, 1, 2, 3, *[None] * 5, 4, 5, 6, 7],
    )


@KIND.warned(
    "sound that stops for two seconds",
    "…: its sound is interrupted from 3.… s to 5.… s; silence is used there; …",
)
def _(folder):
    path = broken(folder, "mp4", lambda kind, at_s: None if kind == "audio" and 3 < at_s < 5 else 0)
    assert read_all(path) == (8, list(range(8)), [0, 1, 2, None, None, 5, 6, 7])


@KIND.warned(
    "sound that ends long before the picture",
    "…: its sound ends at 2.… s, its picture at 14.000 s; silence in between; …",
)
def _(folder):
    path = broken(folder, "mp4", lambda kind, at_s: None if kind == "audio" and at_s > 2 else 0, 14)
    assert read_all(path) == (14, list(range(14)), [0, 1, *[None] * 12])


@KIND.warned(
    "a single time stamp 60 s ahead of its neighbours",
    "…: 1 time stamp(s) of its picture are out of line at 3.… s; put where their neighbours say; …",
)
def _(folder):
    path = counting_film(folder / "a.mkv", 6, b_frames=0, audio_codec=None)
    data = bytearray(path.read_bytes())
    at = data.find(b"\xa3", data.find(b"\x1f\x43\xb6\x75", len(data) // 2))  # a SimpleBlock
    with av.open(str(path)) as film:
        packets = [packet for packet in film.demux() if packet.pts is not None]
    chosen = next(packet for packet in packets if packet.pts == 3125)
    # Before a packet stand its track's number, its time in the cluster and its flags.
    at = chosen.pos + data[chosen.pos : chosen.pos + 16].index(b"\x81") + 1
    (time,) = struct.unpack_from(">h", data, at)
    struct.pack_into(">h", data, at, time + 25000)
    path.write_bytes(data)
    assert seen(path) == [0, 1, 2, 3, 4, 5]


for suffix, codec in (("h264", "libx264"), ("m4v", "mpeg4"), ("mpeg2video", "mpeg2video")):

    @KIND.refused(
        f"a bare {suffix} stream, which has no time stamps",
        "…: its pictures have no time stamps (…, a bare stream of …), so when each is shown is "
        "not known: convert it to mp4 or mkv at its frame rate, for instance: ffmpeg "
        "-framerate 24 -i a.… -c copy a.mp4",
    )
    def _(folder, suffix=suffix, codec=codec):
        rate = 24
        path = folder / f"a.{suffix}"
        counting_film(path, 2, rate=rate, codec=codec, audio_codec=None, format=suffix)
        read_all(path, n_trs=2)


@KIND.refused(
    "pictures whose stamps jump 20 s ahead while those of the sound run on",
    "…: the time stamps of its picture jump from 4.… s to 24.… s, those of its sound do not: "
    "convert it again from its source, or to mp4 or mkv",
)
def _(folder):
    read_all(
        broken(folder, "mp4", lambda kind, at_s: 20 if kind == "video" and at_s > 3.9 else 0),
        n_trs=8,
    )


@KIND.refused(
    "an mkv whose stamps jump 1,000 s ahead",
    "…: its time stamps jump from 4.… s to 1003.… s: convert it again from its source, …",
)
def _(folder):
    read_all(broken(folder, "mkv", lambda kind, at_s: 1000 if at_s > 3.9 else 0))


@KIND.refused(
    "an mkv whose sound starts 1,000 s after the picture",
    "…: its time stamps jump from 4.… s to 999.… s: convert it again from its source, …",
)
def _(folder):
    read_all(broken(folder, "mkv", lambda kind, at_s: 1000 if kind == "audio" else 0, 4))
