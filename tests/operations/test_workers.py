"""Threads: ``map`` in order, a bounded number of items ahead, and errors where they belong."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest

from git_theta.operations.workers import Workers


def test_results_come_in_order(workers: Workers) -> None:
    def slow(number: int) -> int:
        time.sleep(random.Random(number).random() / 500)
        return -number

    assert list(workers.map(slow, range(100))) == [-number for number in range(100)]


def test_l6_few_items_are_taken_ahead(workers: Workers) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    for done, _ in enumerate(workers.map(str, items())):
        assert taken <= done + 1 + 2 * workers.count


def test_nothing_is_taken_before_it_is_asked_for(workers: Workers) -> None:
    workers.map(str, iter(lambda: pytest.fail("taken"), None))


def test_it_runs_on_other_threads(workers: Workers) -> None:
    assert threading.get_ident() not in set(workers.map(lambda _: threading.get_ident(), range(8)))


def test_an_error_comes_in_its_turn(workers: Workers) -> None:
    results = workers.map(lambda number: 10 // number, [5, 2, 0, 1])
    assert [next(results), next(results)] == [2, 5]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_closing_drops_what_has_not_begun() -> None:
    workers, go = Workers(), threading.Event()
    waiting = [workers.cores.submit(go.wait) for _ in range(workers.count)]
    dropped = [workers.cores.submit(go.wait) for _ in range(10)]
    threading.Timer(0.05, go.set).start()
    workers.close()
    assert all(future.done() and not future.cancelled() for future in waiting)
    assert any(future.cancelled() for future in dropped)


def test_closing_what_never_began_is_nothing() -> None:
    before = threading.active_count()
    Workers().close()
    assert threading.active_count() == before
