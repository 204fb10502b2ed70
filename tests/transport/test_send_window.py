"""What is under way follows what a host takes; a piece that is handed over counts for as long as it is held."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event

import pytest

from git_theta.transport import send_window
from git_theta.transport.patience import Patience, SilenceClock
from git_theta.transport.send_window import SendWindow


def open_window(least: int, most: int) -> SendWindow:
    return SendWindow(least, most, SilenceClock("a host", Patience(), print))


def count_admitted(window: SendWindow, size: int, wanted: int) -> int:
    """How many of so many pieces get in at once."""
    leaving, inside = Event(), list[int]()

    def hold() -> None:
        with window.hold(size):
            inside.append(1)
            leaving.wait()

    with ThreadPoolExecutor(wanted) as pool:
        held = [pool.submit(hold) for _ in range(wanted)]
        wait(held, 0.2)
        admitted = len(inside)
        leaving.set()
    assert len(inside) == wanted
    return admitted


def test_a_host_that_takes_pieces_quickly_gets_more_of_them_at_once() -> None:
    window = open_window(10, 40)
    assert [count_admitted(window, 10, 8) for _ in range(2)] == [1, 4]
    assert count_admitted(open_window(10, 40), 2, 8) == 5


def test_one_that_takes_long_gets_fewer_again(monkeypatch: pytest.MonkeyPatch) -> None:
    window = open_window(10, 40)
    count_admitted(window, 10, 8)
    monkeypatch.setattr(send_window, "_QUICK", 0)
    monkeypatch.setattr(send_window, "_SLOW", 0)
    with window.hold(10):
        pass
    assert count_admitted(window, 10, 8) == 2
    assert count_admitted(window, 10, 8) == 1


def test_a_piece_of_more_than_there_is_room_for_goes_alone() -> None:
    assert count_admitted(open_window(10, 40), 50, 3) == 1


def test_a_piece_is_under_way_until_nobody_holds_it() -> None:
    window = open_window(10, 10)
    lent = window.lend(bytearray(b"0123456789"))
    assert bytes(lent) == b"0123456789"
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(window.lend, bytearray(1))
        assert not wait([second], 0.2).done
        del lent
        assert second.result(10).nbytes == 1
