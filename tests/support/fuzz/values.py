"""Mutations of settings and of JSON: a value in the place of another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.support.fuzz.plain import Random
from tests.support.fuzz.words import NUMBERS, TOKENS

DEEP: list[Any] = []
for _ in range(200):
    DEEP = [DEEP]
OTHERS = (
    *(None, True, False, 0, -1, 1, 2, 0.5, -0.5, 1e308, 10**400, 2**63, float("nan"), float("inf")),
    *("", "tiny\n", "a/b", "../x", [], [[]], {}, {"a": 1}, [None], [0, 0], ["x"], DEEP, [1] * 1000),
    *("1.5", "1,5", "3/2", "1/0", "1e999999999", "0", "-1", "nan", "x" * 10_000, "run-1", "\ud800"),
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Container and key of every value below one."""
    below: Any = ()
    if isinstance(value, dict):
        below = value.items()
    elif isinstance(value, list):
        below = enumerate(value)
    for key, inner in list(below):
        yield value, key
        yield from places(inner)


def change_value(rng: Random, value: Any) -> Any:
    """Change one thing anywhere below a value, in place; the value, or what replaces it."""
    found = list(places(value))
    if not found or rng.random() < 0.02:
        return rng.choice(OTHERS)
    holder, key = rng.choice(found)
    kind = rng.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[str(key) + rng.choice(["", "x", " ", "\n"])] = holder.pop(key)
    elif kind == 2 and isinstance(holder, dict):
        holder[rng.choice([*NUMBERS, *TOKENS])] = rng.choice(OTHERS)
    elif kind == 3:
        holder[key] = rng.choice([*NUMBERS, *TOKENS])
    else:
        holder[key] = rng.choice(OTHERS)
    return value


def change_json(rng: Random, data: bytes) -> bytes:
    """Change a value of a JSON file, which stays one (as Python writes it, NaN and all)."""
    value = json.loads(data)
    for _ in range(rng.choice([1, 1, 2])):
        value = change_value(rng, value)
    return json.dumps(value).encode()
