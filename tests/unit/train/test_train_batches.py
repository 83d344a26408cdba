"""Batches: shares that make up the whole, and reading ahead that changes nothing."""

import threading
import time
from dataclasses import fields

import pytest
import torch

from giblet.train.batches import Ahead, drawn_share
from giblet.train.data import open_study
from giblet.train.group import Workers
from giblet.train.place import Place
from tests.support.networks import TRAINING
from tests.support.study_files import make_study


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_shares_of_a_step_make_up_its_batch(tmp_path, world_size):
    make_study(tmp_path / "study.h5", (60, 60), n_voxels=20, gap_trs=8)
    settings = {**TRAINING, "batch_windows": 5, "subjects_per_step": 1}
    with open_study(tmp_path / "study.h5") as study:

        def of(workers):
            return drawn_share(
                study, study.segments("train"), settings, workers.share(5), window_trs=16,
                context=4, follow=3, seed=1, step=7,
            )  # fmt: skip

        whole = of(Workers())
        parts = [of(Workers(Place(rank, world_size))) for rank in range(world_size)]
    assert all(part.windows == whole.windows for part in parts)
    assert [w for part in parts for w in part.batch.windows] == whole.windows
    assert [n for part in parts for n in part.numbers] == list(range(5))
    assert all(part.batch.subjects == whole.batch.subjects for part in parts)
    assert all(part.draws.through == whole.draws.through for part in parts)
    assert [row for part in parts for row in part.draws.from_bold] == whole.draws.from_bold
    for name in ("keep", "excerpts"):
        joined = torch.cat([getattr(part.draws, name) for part in parts])
        assert torch.equal(joined, getattr(whole.draws, name))
    for part in fields(whole.batch.stimulus):
        joined = torch.cat([getattr(p.batch.stimulus, part.name) for p in parts])
        assert torch.equal(joined, getattr(whole.batch.stimulus, part.name))
    assert torch.equal(torch.cat([p.batch.bold for p in parts], 1), whole.batch.bold)


def test_reading_ahead_gives_the_same_in_the_same_order():
    read = []
    with Ahead(lambda step: read.append(step) or step**2, last=6) as ahead:
        assert [ahead.take(step) for step in range(3, 7)] == [9, 16, 25, 36]
    assert read == [3, 4, 5, 6]


def test_the_next_step_is_read_while_this_one_is_computed():
    begun = threading.Event()

    def read(step):
        if step == 2:
            begun.set()
        return step

    with Ahead(read, last=2) as ahead:
        ahead.take(1)
        assert begun.wait(10)


def test_what_goes_wrong_in_reading_is_raised_where_it_is_needed():
    def read(step):
        if step == 2:
            raise OSError("a cable was pulled")
        return step

    with Ahead(read, last=3) as ahead:
        assert ahead.take(1) == 1
        with pytest.raises(OSError, match="a cable was pulled"):
            ahead.take(2)


def test_waiting_is_counted_and_reading_in_time_is_not_waiting():
    def read(step):
        time.sleep(0.2)
        return step

    with Ahead(read, last=2) as ahead:
        ahead.take(1)
        assert ahead.waited_s >= 0.2
        time.sleep(1.0)
        before = ahead.waited_s
        ahead.take(2)
        assert ahead.waited_s - before < 0.15


def test_no_thread_is_left():
    before = threading.active_count()
    with Ahead(lambda step: step, last=9) as ahead:
        ahead.take(1)
    assert threading.active_count() == before
