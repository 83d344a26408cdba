"""Mutations that know a binary format: they change a field and leave the rest as it was."""

from __future__ import annotations

import gzip
import struct
import zlib

from tests.support.fuzz.plain import Mutation, Random, any_of
from tests.support.fuzz.words import EDGES

# Fields of a NIfTI-1 header: struct format, offset.
NIFTI = (
    *(("<i", at) for at in (0, 348, 352)),
    *(("<h", at) for at in (40, 42, 44, 46, 48, 50, 52, 54, 68, 70, 72, 252, 254)),
    *(("<f", at) for at in (*range(76, 124, 4), *range(256, 328, 4))),
    *(("B", 123), ("4s", 344)),
)
NO_NUMBERS = (float("nan"), float("inf"), float("-inf"))
FLOATS = (*NO_NUMBERS, 0.0, -0.0, 1.0, -1.0, 1e-38, 1e38, 1500.0, 1e-3)
DATA_TYPES = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304)
DIMENSIONS = (-1, 0, 1, 2, 3, 5, 7, 8, 255, 1000, 32767, -32768)
CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"dinf", b"meta")
PACKET = 188


def set_nifti_field(rng: Random, data: bytes) -> bytes:
    """Write another value into a field of a NIfTI header."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 3])):
        form, offset = rng.choice(NIFTI)
        if offset + struct.calcsize(form) > len(out):
            return data
        if form == "<f":
            value: object = rng.choice([*FLOATS, rng.uniform(-1e4, 1e4)])
        elif form == "4s":
            value = rng.choice([b"ni1\0", b"n+1\0", b"n+2\0", b"\0\0\0\0", b"oops"])
        elif form == "B":
            value = rng.randrange(256)
        elif offset == 70:
            value = rng.choice(DATA_TYPES)
        elif form == "<h":
            value = rng.choice([*DIMENSIONS, rng.randint(-40, 40)])
        else:
            value = rng.choice([0, 1, -1, 348, 540, 2**31 - 1, -(2**31), rng.randint(-999, 9999)])
        struct.pack_into(form, out, offset, value)
    return bytes(out)


def swap_nifti_bytes(rng: Random, data: bytes) -> bytes:
    """Write the header's size in the other byte order, so that all of it is read so."""
    return data[:4][::-1] + data[4:]


def inside_gzip(mutation: Mutation) -> Mutation:
    """A mutation of what is compressed; the compression is right."""

    def mutate(rng: Random, data: bytes) -> bytes:
        return gzip.compress(mutation(rng, gzip.decompress(data)), 1, mtime=0)

    return mutate


def gzip_members(rng: Random, data: bytes) -> bytes:
    """Write the compressed contents in several members, or with a wrong end."""
    plain = gzip.decompress(data)
    at = rng.randrange(len(plain) + 1)
    parts = [gzip.compress(part, 1, mtime=0) for part in (plain[:at], plain[at:])]
    ends = [b"", bytes(8), b"\x1f\x8b", b"\x1f\x8b\x08\x00" + bytes(20), rng.randbytes(30)]
    kind = rng.randrange(4)
    if kind == 0:
        return b"".join(parts) + rng.choice(ends)
    if kind == 1:
        return data + rng.choice(ends)
    if kind == 2:
        return zlib.compress(plain, 1)
    return data[:-8] + rng.choice([bytes(8), data[-8:-4] + bytes(4), rng.randbytes(8), b""])


def boxes(data: bytes, start: int, stop: int) -> list[tuple[int, int, bytes]]:
    """Start, end and type of every MP4 box, those inside others too."""
    found = []
    while start + 8 <= stop:
        size = int.from_bytes(data[start : start + 4], "big")
        kind = data[start + 4 : start + 8]
        end = start + size if size >= 8 else stop
        if end > stop:
            break
        found.append((start, end, kind))
        if kind in CONTAINERS:
            found += boxes(data, start + 8, end)
        start = end
    return found


def change_box(rng: Random, data: bytes) -> bytes:
    """Change one box of an MP4 file: a number in it, its size or type; or repeat or remove it."""
    found = [box for box in boxes(data, 0, len(data)) if box[2] != b"mdat"]
    if not found:
        return data
    start, end, _ = rng.choice(found)
    kind = rng.randrange(8)
    if kind == 0:
        return data[:start] + _integer(rng, 4, "big") + data[start + 4 :]
    if kind == 1:
        return (
            data[: start + 4] + rng.choice([b"free", b"skip", b"moov", b"stts"]) + data[start + 8 :]
        )
    if kind == 2:
        return data[:start] + data[end:]
    if kind == 3:
        return data[:end] + data[start:end] + data[end:]
    if end - start < 12:
        return data
    at = rng.randrange(start + 8, end - 3)
    return data[:at] + _integer(rng, 4, "big") + data[at + 4 :]


def change_packets(rng: Random, data: bytes) -> bytes:
    """Drop, repeat, exchange or restamp packets of a transport stream, or join it to itself."""
    packets = [data[at : at + PACKET] for at in range(0, len(data), PACKET)]
    if not packets:
        return data
    start, stop = sorted((rng.randrange(len(packets)), rng.randrange(len(packets))))
    kind = rng.randrange(5)
    if kind == 0:
        del packets[start : stop + 1]
    elif kind == 1:
        packets[stop:stop] = packets[start : stop + 1]
    elif kind == 2:
        packets[start], packets[stop] = packets[stop], packets[start]
    elif kind == 3:
        packets += packets
    else:
        marked = [
            n
            for n, packet in enumerate(packets)
            if b"\0\0\1\xe0" in packet or b"\0\0\1\xc0" in packet
        ]
        for number in rng.sample(marked, min(len(marked), rng.randint(1, 3))):
            packets[number] = _restamped(rng, packets[number])
    return b"".join(packets)


def _restamped(rng: Random, packet: bytes) -> bytes:
    """Another time stamp in the header of a packetised elementary stream."""
    at = max(0, packet.find(b"\0\0\1")) + 9
    stamp = rng.choice([0, 2**33 - 1, rng.randrange(2**33), 90_000 * 1000])
    new = bytes(
        (0x21 | stamp >> 29 & 14, stamp >> 22 & 255, stamp >> 14 & 254 | 1, stamp >> 7 & 255,
         stamp << 1 & 254 | 1)
    )  # fmt: skip
    return (packet[:at] + new + packet[at + 5 :])[: len(packet)]


def change_chunk(rng: Random, data: bytes) -> bytes:
    """Change the size, the type or a field of a RIFF chunk (wav, avi)."""
    names = (
        b"RIFF",
        b"fmt ",
        b"data",
        b"LIST",
        b"hdrl",
        b"avih",
        b"strl",
        b"strh",
        b"strf",
        b"movi",
    )
    places = [at for name in (*names, b"idx1") if (at := data.find(name)) >= 0]
    if not places:
        return data
    at = rng.choice(places)
    kind = rng.randrange(4)
    if kind == 0:
        return data[: at + 4] + _integer(rng, 4, "little") + data[at + 8 :]
    if kind == 1:
        return data[:at] + rng.choice([*names, b"JUNK"]) + data[at + 4 :]
    size = rng.choice([2, 4])
    field = at + 8 + size * rng.randrange(14)
    return data[:field] + _integer(rng, size, "little") + data[field + size :]


def _integer(rng: Random, size: int, order: str) -> bytes:
    value = rng.choice([*EDGES, rng.randrange(300), rng.randrange(2**16)])
    return (value % 2 ** (8 * size)).to_bytes(size, "big" if order == "big" else "little")


HEADER = any_of(set_nifti_field, set_nifti_field, set_nifti_field, swap_nifti_bytes)
