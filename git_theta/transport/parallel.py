"""Several objects of a transfer at once: they wait for the network, or are hashed without Python's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from threading import Event, Thread
from typing import TypeVar

from git_theta.errors import TransportError

_CHECK_SECONDS = 0.1
_GRACE = 2
"""Seconds for which those are waited for whose result nobody wants any more: a host may be silent for much longer."""
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def run_parallel(
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    workers: int,
    stopping: Event,
    check: Callable[[], object] = lambda: None,
) -> Iterator[_Result]:
    """What work makes of each item, as it comes; what it raises is raised. No more than ``workers`` at a time.

    ``stopping`` is set when nobody wants the others any more: they are waited for, but not for long. ``check`` is
    called now and then while nothing comes. Threads in which a host is silent are left to themselves. They are in the
    context of the caller: git works in the same folder there.
    """
    waiting: set[Future[_Result]] = set()
    try:
        for item in items:
            waiting.add(run_in_background(partial(work, item)))
            if len(waiting) >= workers:
                done, waiting = _wait_for_some(waiting, check)
                yield from (future.result() for future in done)
        while waiting:
            done, waiting = _wait_for_some(waiting, check)
            yield from (future.result() for future in done)
    except BaseException:
        stopping.set()
        wait(waiting, _GRACE)
        raise


def _wait_for_some(
    waiting: set[Future[_Result]], check: Callable[[], object]
) -> tuple[set[Future[_Result]], set[Future[_Result]]]:
    """Those that have ended, one at least, and the others."""
    while True:
        done, left = wait(waiting, _CHECK_SECONDS, FIRST_COMPLETED)
        if done:
            return done, left
        check()


def take_until(
    stopping: Event, chunks: Iterable[_Item], note_life: Callable[[], object] = lambda: None
) -> Iterator[_Item]:
    """The chunks of one transfer, as long as anybody wants them; TransportError once nobody does.

    ``note_life`` is called before the first and with each: the host gave a sign of life.
    """
    note_life()
    for chunk in chunks:
        if stopping.is_set():
            raise TransportError("the transfer was given up")
        note_life()
        yield chunk


def map_ahead(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """What work makes of each item, in their order: of the next one already while nobody has asked for it yet."""
    with ThreadPoolExecutor(1) as pool:
        waiting: Future[_Result] | None = None
        for item in items:
            coming = pool.submit(work, item)
            if waiting:
                yield waiting.result()
            waiting = coming
        if waiting:
            yield waiting.result()


def run_in_background(work: Callable[[], _Result]) -> Future[_Result]:
    """What work makes, in a thread that starts at once and is left to itself where nobody wants its result any more.

    The thread is in the context of the caller. It keeps no process from ending.
    """
    outcome: Future[_Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    Thread(target=copy_context().run, args=(run,), daemon=True).start()
    return outcome
