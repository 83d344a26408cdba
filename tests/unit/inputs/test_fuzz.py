"""Some of the fuzzer's files: each is read, or refused in one line that names it."""

import json
import subprocess
import sys

import pytest

from tests.support.fuzz import report
from tests.support.fuzz.plain import TEXT
from tests.support.processes import ROOT

N = 300


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What became of the first files of each kind, in a process without the suite's threads."""
    out = tmp_path_factory.mktemp("fuzz") / "outcomes.json"
    command = [sys.executable, "benchmarks/fuzz_readers.py", "--n", str(N), "--quick"]
    done = subprocess.run(
        [*command, "--json", str(out)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert out.exists(), done.stderr
    return [report.Outcome(**one) for one in json.loads(out.read_text())]


@pytest.mark.parametrize("kind", [kind.name for kind in report.KINDS if not kind.slow])
def test_damaged_files_are_read_or_refused_by_name(outcomes, kind):
    own = [one for one in outcomes if one.kind == kind]
    assert len(own) >= 1
    assert not report.complaints(own)


def test_so_many_files_are_read(outcomes):
    assert len(outcomes) == N
    counts = {what: sum(one.what == what for one in outcomes) for what in report.COLUMNS}
    # Mutations that nobody notices, or that all are refused for one thing, would test little.
    assert min(counts["read"], counts["refused"]) > N / 5


def test_a_mutation_is_the_same_at_any_time(tmp_path):
    kind = next(kind for kind in report.KINDS if kind.name == "srt")
    kind.make(tmp_path)
    made = [kind.mutated(17, tmp_path, tmp_path / str(k)).read_bytes() for k in range(2)]
    assert made[0] == made[1]
    assert made[0] not in {path.read_bytes() for path in tmp_path.glob("good*")}


def test_text_mutations_take_any_text():
    import random

    for text in (b"", b"\n", b"a", b",", b"\xff\xfe", b"a,b\n1,2\n"):
        for seed in range(200):
            assert isinstance(TEXT(random.Random(seed), text), bytes)
