"""Progress of long work on stderr, when that is a terminal: bytes, share, rate.

Nothing is loaded, and nothing is shown, for work that ends within half a second, or where nobody watches. The bar is
drawn by who does the work, never by a thread of its own: between two pieces of work the terminal is somebody else's
(Git keeps a filter alive while an editor runs).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_FIRST_DELAY = 0.5
"""Seconds of work before there is anything to see."""
_REDRAW_PERIOD = 0.1
"""Seconds between two drawings."""


class Meter:
    """Told of every byte that is done, from any thread; shows it while a piece of work is :meth:`during`."""

    def __init__(self) -> None:
        self._watched = sys.stderr is not None and sys.stderr.isatty()
        self._lock = threading.Lock()
        self._work: _Work | None = None

    def __call__(self, done: int) -> None:
        """So many more bytes are done."""
        if self._watched:
            with self._lock:
                if self._work:
                    self._work.advance(done)

    @contextmanager
    def show_work(self, description: str, total: int | None = None) -> Iterator[None]:
        """Show what is done in this block; the bar is gone after it.

        Args:
            description: what is being done, in a word or two.
            total: bytes there are to do; None where that is not known.
        """
        work = _Work(description, total) if self._watched else None
        with self._lock:
            self._work = work
        try:
            yield
        finally:
            with self._lock:
                self._work = None
                if work:
                    work.close()


@contextmanager
def show_progress(description: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """One piece of work (:meth:`Meter.during`); the function given is to be told of every byte that is done."""
    meter = Meter()
    with meter.show_work(description, total):
        yield meter


class _Work:
    def __init__(self, description: str, total: int | None) -> None:
        self._description = description
        self._total = total
        self._done = 0
        self._due = time.monotonic() + _FIRST_DELAY
        self._bar: tuple[Progress, TaskID] | None = None

    def advance(self, done: int) -> None:
        self._done += done
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + _REDRAW_PERIOD
        bar, task = self._bar = self._bar or _start_bar(self._description, self._total)
        bar.update(task, completed=self._done, refresh=True)

    def close(self) -> None:
        if self._bar:
            self._bar[0].stop()


def _start_bar(description: str, total: int | None) -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    # Only stderr is rich's to redirect: stdout may be a pipe to Git.
    bar = Progress(
        *columns, console=Console(stderr=True), transient=True, auto_refresh=False, redirect_stdout=False
    )  # fmt: skip
    printable = "".join(letter if letter.isprintable() else "?" for letter in description)
    task = bar.add_task(escape(printable), total=total)
    bar.start()
    return bar, task
