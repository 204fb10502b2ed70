"""What a worker answers of a task."""

from __future__ import annotations

from typing import Any, NamedTuple

from git_theta.errors import ThetaError


class TaskAnswer(NamedTuple):
    """The outcome of a task.

    Attributes:
        worker: the address of whoever did it.
        result: what it gave; None where it failed.
        error: why it failed.
        done: bytes, as its progress counts them.
        begun: items, as its progress counts them.
    """

    worker: str
    result: Any = None
    error: ThetaError | None = None
    done: int = 0
    begun: int = 0


class CountedProgress:
    """Progress that nobody watches here: counted, and told with the answer."""

    def __init__(self) -> None:
        self.done = self.begun = 0

    def __call__(self, done: int) -> None:
        self.done += done

    def begin_item(self) -> None:
        """The next of the items begins."""
        self.begun += 1
