"""The seam of an engine: what maps tasks, pure functions of values over immutable objects.

Merging a contest, verifying an object, measuring a change: each depends on its arguments and on objects that never
change, and gives the same wherever it is done, however often, and in whatever order (L9). What it stores it puts into
the store itself; what is too small for an object of its own it hands back. So a task that was lost is done once more,
and nobody can tell. Planning, bundles, manifests and commits are no tasks: one process has them.

Law:
    - Results come in the order of the items, a bounded number of them ahead (L6).
    - What a task raises is raised, where its result would have come.
    - A result that names objects comes when these are durable, in the store of whoever asked (L5).
    - Progress that a task was given counts what it does, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """Maps tasks. The cores of this machine do (``Workers``); others may, for functions and items that can travel."""

    def map(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """``function(item)`` for each item. What cannot travel is done on this machine."""
        ...
