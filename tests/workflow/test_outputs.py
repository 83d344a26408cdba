"""docs/outputs.md lists what validate leaves, no more and no less."""

import re

import pytest

from tests.support.checkout import ROOT

pytestmark = pytest.mark.workflow

PLACES = {
    "modality": "fmri|video|audio|text",
    "subject": r"sub-\d+",
    "run": r"run-\d+",
    "source": "original|ceiling|model|from_bold|from_predicted",
    "kind": "best|median|worst|random",
    "number": r"\d+",
}
# Left by several training seeds only.
SEVERAL_SEEDS = "seeds/seed-{train_seed}"


def listed():
    """The patterns of the tables of files, each with what it says they show."""
    docs = (ROOT / "docs" / "outputs.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", docs, re.MULTILINE)
    return {name: shows for name, shows in rows if "/" in name or "." in name}


def files_of(pattern, shows):
    """Regular expressions of the files a row means, one for each name in its text."""
    names = re.findall(r"`(\w+)`", shows) if "{name}" in pattern else [""]
    for name in names:
        one = re.escape(pattern.replace("{name}", name)).replace(r"\{", "{").replace(r"\}", "}")
        yield re.compile(re.sub(r"\{(\w+)\}", lambda m: f"(?:{PLACES[m[1]]})", one) + "$")


@pytest.fixture(scope="module")
def left(finished):
    folder = finished.folder / "results/tiny/validate"
    paths = [path for path in folder.rglob("*") if path.is_file()]
    # The params that each was made with lie beside it, hidden.
    return sorted(p.relative_to(folder).as_posix() for p in paths if p.name[0] != ".")


def test_every_file_is_listed_and_every_listed_file_is_there(left):
    expected = [
        expression
        for pattern, shows in listed().items()
        if pattern != SEVERAL_SEEDS
        for expression in files_of(pattern, shows)
    ]
    unlisted = [name for name in left if not any(one.match(name) for one in expected)]
    assert unlisted == []
    absent = [one.pattern for one in expected if not any(one.match(name) for name in left)]
    assert absent == []


def test_there_is_much_to_look_at(left):
    assert len(left) >= 50
    assert all(len(shows) > 20 for shows in listed().values())
