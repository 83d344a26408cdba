"""Mutations of bytes and of text, drawn from a seeded generator.

A mutation takes the generator and the contents of a file, and gives back other contents. It
may do nothing on contents that it does not fit.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import TypeAlias

from tests.support.fuzz.words import EDGES, LONG, NUMBERS, TOKENS

Random: TypeAlias = random.Random
Mutation: TypeAlias = Callable[[Random, bytes], bytes]

NUMBER = re.compile(rb"[-+]?\d+(?:[.,:/]\d+)*(?:[eE][-+]?\d+)?")
BREAK = re.compile(rb"\r\n|\n|\r")
SEPARATORS = (b"\t", b",", b";", b"|", b" ", b":")


def any_of(*mutations: Mutation) -> Mutation:
    """One mutation drawn from several."""

    def mutate(rng: Random, data: bytes) -> bytes:
        return rng.choice(mutations)(rng, data)

    return mutate


def repeated(mutation: Mutation, most: int = 4) -> Mutation:
    """A mutation applied once or, more rarely, up to `most` times."""

    def mutate(rng: Random, data: bytes) -> bytes:
        for _ in range(rng.choice([1, 1, 1, 2, most])):
            data = mutation(rng, data)
        return data

    return mutate


def span(rng: Random, size: int, most: int = 64) -> tuple[int, int]:
    """Start and stop of a piece of something of a size."""
    start = rng.randrange(size + 1)
    return start, min(size, start + rng.randint(1, rng.choice([1, 4, most, max(1, size)])))


def flip_bits(rng: Random, data: bytes) -> bytes:
    """Turn over a few bits."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        if out:
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def set_bytes(rng: Random, data: bytes) -> bytes:
    """Overwrite a few bytes with noise, zeros or ones."""
    start, stop = span(rng, len(data))
    new = rng.choice([rng.randbytes(stop - start), bytes(stop - start), b"\xff" * (stop - start)])
    return data[:start] + new + data[stop:]


def set_integer(rng: Random, data: bytes) -> bytes:
    """Overwrite 1 to 8 bytes with a number at an edge, in either byte order."""
    size = rng.choice([1, 2, 4, 4, 4, 8])
    if len(data) < size:
        return data
    # Headers are where numbers matter most.
    room = len(data) - size + 1
    at = rng.randrange(rng.choice([room, min(room, 600)]))
    value = (rng.choice(EDGES) % 2 ** (8 * size)).to_bytes(size, rng.choice(["big", "little"]))
    return data[:at] + value + data[at + size :]


def truncate(rng: Random, data: bytes) -> bytes:
    """Cut the end, or the beginning."""
    at = rng.choice([0, rng.randrange(len(data) + 1), max(0, len(data) - rng.randint(1, 16))])
    return data[:at] if rng.random() < 0.8 else data[at:]


def delete(rng: Random, data: bytes) -> bytes:
    """Take a piece out."""
    start, stop = span(rng, len(data))
    return data[:start] + data[stop:]


def duplicate(rng: Random, data: bytes) -> bytes:
    """Repeat a piece, often where it is, sometimes elsewhere, sometimes very often."""
    start, stop = span(rng, len(data), 256)
    times = rng.choice([1, 1, 1, 2, 50])
    at = rng.choice([stop, rng.randrange(len(data) + 1)])
    return data[:at] + (data[start:stop] * times)[: 2 * 10**6] + data[at:]


def insert_token(rng: Random, data: bytes) -> bytes:
    """Put a hostile word anywhere."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + _word(rng) + data[at:]


def append(rng: Random, data: bytes) -> bytes:
    """Put something behind the end: noise, zeros, or the file again."""
    return data + rng.choice([rng.randbytes(rng.randint(1, 64)), bytes(512), data, _word(rng)])


BYTES = any_of(flip_bits, flip_bits, set_bytes, set_integer, truncate, delete, duplicate, append)


def _word(rng: Random) -> bytes:
    pools = [NUMBERS, TOKENS, TOKENS] if rng.random() < 0.96 else [LONG]
    return rng.choice(rng.choice(pools)).encode("utf-8", "surrogatepass")


def set_number(rng: Random, data: bytes) -> bytes:
    """Write another number in the place of one."""
    found = list(NUMBER.finditer(data))
    if not found:
        return insert_token(rng, data)
    one = rng.choice(found)
    old = one.group().decode()
    new = rng.choice([*NUMBERS, "-" + old, old + "000000000", old.replace(".", ","), old * 2])
    return data[: one.start()] + new.encode() + data[one.end() :]


def set_cell(rng: Random, data: bytes) -> bytes:
    """Write a hostile word in the place of what stands between two separators."""
    found = list(re.finditer(rb"[^\t,;\r\n]+", data))
    if not found:
        return insert_token(rng, data)
    one = rng.choice(found)
    return data[: one.start()] + _word(rng) + data[one.end() :]


def shuffle_cells(rng: Random, data: bytes) -> bytes:
    """Exchange two pieces between separators."""
    found = list(re.finditer(rb"[^\t,;\r\n]+", data))
    if len(found) < 2:
        return data
    one, other = sorted(rng.sample(found, 2), key=lambda match: match.start())
    between = data[one.end() : other.start()]
    return data[: one.start()] + other.group() + between + one.group() + data[other.end() :]


def _lines(change: Callable[[Random, list[bytes]], list[bytes]]) -> Mutation:
    def mutate(rng: Random, data: bytes) -> bytes:
        return b"\n".join(change(rng, BREAK.split(data)))

    mutate.__doc__ = change.__doc__
    return mutate


@_lines
def move_lines(rng: Random, lines: list[bytes]) -> list[bytes]:
    """Exchange, repeat, take out or shuffle lines."""
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(6)
    if kind == 0:
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 1:
        lines[at:at] = [lines[other]] * rng.choice([1, 1, 2, 500])
    elif kind == 2:
        del lines[at]
    elif kind == 3:
        rng.shuffle(lines)
    elif kind == 4:
        lines.sort()
    else:
        lines.reverse()
    return lines


@_lines
def put_line(rng: Random, lines: list[bytes]) -> list[bytes]:
    """Put a line of hostile words anywhere."""
    separator = rng.choice(SEPARATORS)
    line = separator.join(_word(rng) for _ in range(rng.choice([1, 2, 3, 5, 12])))
    lines.insert(rng.randrange(len(lines) + 1), line)
    return lines


@_lines
def change_columns(rng: Random, lines: list[bytes]) -> list[bytes]:
    """In every line, add, repeat, move or take out what stands at one place."""
    separator = max(SEPARATORS, key=lambda mark: lines[0].count(mark))
    table = [line.split(separator) for line in lines]
    at, kind, word = rng.randrange(len(table[0])), rng.randrange(4), _word(rng)
    for cells in table if rng.random() < 0.8 else table[:1]:
        if at >= len(cells):
            continue
        if kind == 0:
            cells.insert(at, word)
        elif kind == 1:
            cells.append(cells[at])
        elif kind == 2:
            cells.append(cells.pop(at))
        else:
            del cells[at]
    return [separator.join(cells) for cells in table]


def change_separator(rng: Random, data: bytes) -> bytes:
    """Write other separators or line ends, everywhere or from somewhere on."""
    at = rng.choice([0, rng.randrange(len(data) + 1)])
    ends = [b"\r", b"\r\n", b"\r\r\n", b"\n\n", b"\t\n", b"\x0b"]
    pairs = [(a, b) for a in SEPARATORS for b in SEPARATORS] + [(b"\n", end) for end in ends * 3]
    old, new = rng.choice([*pairs, (b".", b",")])
    return data[:at] + data[at:].replace(old, new)


def encode_again(rng: Random, data: bytes) -> bytes:
    """Save the text in another encoding, or as if it had been read in a wrong one."""
    text = data.decode("utf-8", "replace")
    names = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp037", "utf-8-sig", "latin-1")
    name = rng.choice([*names, "cp1252", "cp850", "mac_roman", "shift_jis", "koi8_r"])
    spiced = text.replace("e", rng.choice(["e", "é", "ü", "’"]))
    return spiced.encode(name, "replace")


def quote(rng: Random, data: bytes) -> bytes:
    """Put a quotation mark before something, perhaps one behind it."""
    start, stop = span(rng, len(data))
    return data[:start] + b'"' + data[start:stop] + rng.choice([b"", b'"']) + data[stop:]


TEXT = any_of(
    *(set_number, set_number, set_number, set_cell, set_cell, insert_token, shuffle_cells),
    *(move_lines, move_lines, put_line, change_columns, change_columns, change_separator),
    *(encode_again, quote, flip_bits, truncate, delete, duplicate, set_bytes),
)
