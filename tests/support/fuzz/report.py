"""Which mutations there are, and the table of what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.support.fuzz import films, images, pages, results, tables
from tests.support.fuzz.kinds import Kind
from tests.support.fuzz.pool import BAD, GOOD, Case, Outcome

KINDS: list[Kind] = [*tables.KINDS, *images.KINDS, *films.KINDS, *results.KINDS, *pages.KINDS]
COLUMNS = (*GOOD, *BAD)


def shared_out(n: int, kinds: Sequence[Kind] = KINDS) -> list[Case]:
    """The first mutations of each kind, `n` in all by the kinds' weights, mixed."""
    whole = sum(kind.weight for kind in kinds)
    edges, seen = [0], 0
    for kind in kinds:
        seen += kind.weight
        edges.append(round(n * seen / whole))
    cases = [
        (place / max(1, stop - start), kind.name, place)
        for kind, start, stop in zip(kinds, edges, edges[1:], strict=False)
        for place in range(stop - start)
    ]
    return [(name, place) for _, name, place in sorted(cases)]


def table(found: Sequence[Outcome]) -> str:
    """Numbers of outcomes of each kind, as Markdown."""
    lines = [
        "| kind | files | " + " | ".join(COLUMNS) + " | CPU s, longest |",
        "|---" * (3 + len(COLUMNS)) + "|",
    ]
    for name in dict.fromkeys(kind.name for kind in KINDS):
        own = [one for one in found if one.kind == name]
        if own:
            lines.append(_row(name, own))
    return "\n".join([*lines, _row("all", found)])


def _row(name: str, found: Sequence[Outcome]) -> str:
    counts = Counter(one.what for one in found)
    cells = " | ".join(str(counts[what]) for what in COLUMNS)
    seconds, longest = sum(one.seconds for one in found), max(one.seconds for one in found)
    return f"| {name} | {len(found)} | {cells} | {seconds:.1f}, {longest:.2f} |"


def complaints(found: Sequence[Outcome], n_shown: int = 3) -> str:
    """What went wrong, the same things together, with numbers to find them again by."""
    groups: dict[tuple[str, str, str], list[Outcome]] = {}
    for one in found:
        if one.what in BAD:
            groups.setdefault((one.kind, one.what, one.where), []).append(one)
    lines = []
    for (kind, what, where), ones in sorted(groups.items(), key=lambda item: -len(item[1])):
        numbers = ", ".join(str(one.number) for one in ones[:n_shown])
        lines.append(f"{len(ones):5d} {kind}: {what} {where} [{numbers}]")
        lines.append(f"      {ones[0].message[:300]!r}")
    return "\n".join(lines)
