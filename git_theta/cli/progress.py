"""Progress of long work on stderr, when that is a terminal: items, bytes, rate, share, and the time that is left.

Nothing is loaded, and nothing is shown, for work that ends within half a second, or where nobody watches. The bar is
drawn by the thread that does the work, never by one of its own: between two pieces of work the terminal is somebody
else's (Git keeps a filter alive while an editor runs).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

_FIRST_DELAY = 0.5
"""Seconds of work before there is anything to see."""
_REDRAW_PERIOD = 0.1
"""Seconds between two drawings."""
_WIDE = 72
"""Columns from which on there is room for a bar and a rate."""
_FIGURES, _FEWER_FIGURES = 55, 28
"""Columns of all but the label, with these and without them."""
_LEAST_LABEL = 8


class Meter:
    """Told of every byte that is done, from any thread; shows it while a piece of work is shown (``show_work``)."""

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

    def begin_item(self) -> None:
        """The next of the items begins."""
        if self._watched:
            with self._lock:
                if self._work:
                    self._work.begin_item()

    def finish_item(self, done: int) -> None:
        """One of the items, of so many bytes, is done."""
        self.begin_item()
        self(done)

    @contextmanager
    def show_work(self, description: str, total: int | None = None, items: int | None = None) -> Iterator[None]:
        """Show what is done in this block; the bar is gone after it. Work around this work is shown again then.

        Args:
            description: what is being done, in a word or two.
            total: bytes there are to do; None where that is not known.
            items: things (files, objects) they are of; None where that says nothing.
        """
        work = _Work(description, total, items) if self._watched else None
        with self._lock:
            around, self._work = self._work, work
            if around:
                around.hide()
        try:
            yield
        finally:
            with self._lock:
                self._work = around
                if work:
                    work.hide()


@contextmanager
def show_progress(description: str, total: int | None = None, items: int | None = None) -> Iterator[Meter]:
    """One piece of work (:meth:`Meter.show_work`), and the meter that is to be told of it."""
    meter = Meter()
    with meter.show_work(description, total, items):
        yield meter


class _Work:
    def __init__(self, description: str, total: int | None, items: int | None) -> None:
        self._description = "".join(letter if letter.isprintable() else "?" for letter in description)
        self._total = total
        self._items = items
        self._begun = 0
        self._done = 0
        self._due = time.monotonic() + _FIRST_DELAY
        self._bar: tuple[Progress, TaskID] | None = None

    def advance(self, done: int) -> None:
        self._done += done
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + _REDRAW_PERIOD
        bar, task = self._bar = self._bar or _start_bar(self._label, self._total)
        bar.update(task, completed=self._done, description=self._label, refresh=True)

    def begin_item(self) -> None:
        self._begun += 1

    def hide(self) -> None:
        if self._bar:
            self._bar[0].stop()
            self._bar = None

    @property
    def _label(self) -> str:
        from rich.markup import escape

        # Where nobody says which one it is, how many there are is of no use.
        counted = f" {self._begun:,} of {self._items:,}" if self._begun and self._items and self._items > 1 else ""
        return escape(self._description) + counted


def _start_bar(label: str, total: int | None) -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    # Only stderr is rich's to redirect: stdout may be a pipe to Git.
    bar = Progress(
        *_list_columns(console.width, total), console=console, transient=True, auto_refresh=False,
        redirect_stdout=False,
    )  # fmt: skip
    task = bar.add_task(label, total=total)
    bar.start()
    return bar, task


def _list_columns(width: int, total: int | None) -> Iterator[ProgressColumn]:
    """What fits on one line of a terminal; a label that does not is cut."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.table import Column

    is_wide = width >= _WIDE
    label = max(_LEAST_LABEL, width - (_FIGURES if is_wide else _FEWER_FIGURES))
    yield TextColumn("{task.description}", table_column=Column(no_wrap=True, max_width=label, overflow="ellipsis"))
    if is_wide:
        yield BarColumn(16)
    yield DownloadColumn(table_column=Column(no_wrap=True))
    if is_wide:
        yield TransferSpeedColumn(table_column=Column(no_wrap=True))
    if total:
        yield TaskProgressColumn()
        yield TimeRemainingColumn(compact=True)
