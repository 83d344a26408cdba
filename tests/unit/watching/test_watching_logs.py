"""``giblet logs``: which logs, and which lines of them."""

import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from giblet.cli.main import main
from giblet.watching.tails import _BLOCK, follow, last_lines
from tests.unit.watching.conftest import QUOTED


@pytest.fixture
def logs(toy, monkeypatch, capsys):
    """Return what ``giblet logs`` prints, with its exit status."""
    monkeypatch.chdir(toy.folder)

    def show(*arguments):
        status = main(["logs", *arguments])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return show


def test_without_a_name_those_that_failed(logs):
    status, text = logs()
    assert status == 0
    assert text.startswith("bad (job ")
    assert "==> logs/toy/train/bad.log <==" in text
    assert QUOTED in text
    assert "clean" not in text.partition("==>")[0]


def test_number_of_lines(logs):
    _, text = logs("-n", "1")
    assert text.rstrip().splitlines()[1:] == [
        "==> logs/toy/train/bad.log <==",
        "StoreError: study.h5 is damaged: delete it",
    ]


@pytest.mark.parametrize("name", ["clean", "a_1", "brain/a_1.log"])
def test_by_rule_or_part_of_the_path(logs, name):
    status, text = logs(name)
    assert status == 0
    assert "==> logs/toy/brain/a_1.log <==\ncleaned\n" in text
    assert ("who=b,c=d" in text) == (name == "clean")


def test_by_snakemakes_number(logs):
    _, text = logs()
    number = text.partition("(job ")[2].partition(",")[0]
    assert logs(number) == (0, text)


def test_name_that_is_none(logs):
    status, text = logs("cleen")
    assert status == 1
    assert "no job of the newest run is 'cleen'" in text
    assert "It ran bad, clean" in text


def test_many_are_listed_to_choose_from(logs, monkeypatch):
    monkeypatch.setattr("giblet.cli.logs.MAX_SHOWN", 1)
    _, text = logs("clean")
    assert text.startswith("clean is 2 jobs; name one by its number or its log:\n")
    assert "logs/toy/brain/a_1.log" in text
    assert "cleaned" not in text


def test_nothing_has_run(new_toy, monkeypatch, capsys):
    monkeypatch.chdir(new_toy.folder)
    assert main(["logs"]) == 1
    assert "nothing has run" in capsys.readouterr().err


LINE = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=30)


@given(st.lists(LINE, max_size=30), st.integers(0, 40), st.booleans())
def test_last_lines_are_those_of_the_whole(tmp_path_factory, lines, n_lines, ends):
    path = tmp_path_factory.mktemp("tail") / "log"
    path.write_text("\n".join(lines) + ("\n" if ends else ""), encoding="utf-8")
    whole = path.read_text(encoding="utf-8").splitlines() if path.stat().st_size else []
    if whole == [""]:  # an empty file and one empty line are shown alike
        whole = []
    found, place = last_lines(path, n_lines)
    assert found == whole[max(len(whole) - n_lines, 0) :]
    assert place == path.stat().st_size


def test_last_lines_of_a_log_longer_than_a_block(tmp_path):
    path = tmp_path / "log"
    path.write_text("".join(f"line {number} é\n" for number in range(20_000)))
    assert path.stat().st_size > 3 * _BLOCK
    assert last_lines(path, 2)[0] == ["line 19998 é", "line 19999 é"]
    assert len(last_lines(path, 15_000)[0]) == 15_000


def test_a_bar_drawn_in_place_is_shown_as_it_stood_last(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"start\n 10 %\r 20 %\r 30 %\n")
    assert last_lines(path, 5)[0] == ["start", " 30 %"]


def test_following_goes_on_through_a_new_attempt(tmp_path):
    path = tmp_path / "log"
    path.write_text("first attempt, long\n")
    places = {path: path.stat().st_size}

    def write():
        for text, mode in (("more\n", "a"), ("anew\n", "w"), ("end\n", "a")):
            time.sleep(0.1)
            with path.open(mode) as handle:
                handle.write(text)
            os.sync()

    writer = threading.Thread(target=write)
    writer.start()
    seen = ""
    for _, text in follow(places, poll_s=0.01):
        seen += text
        if "end" in seen:
            break
    writer.join()
    assert seen == "more\nanew\nend\n"
