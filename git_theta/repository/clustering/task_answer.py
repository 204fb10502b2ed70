"""What a worker answers of the tasks of a message."""

from __future__ import annotations

from typing import Any, NamedTuple

from git_theta.errors import ThetaError


class TaskAnswer(NamedTuple):
    """The outcome of tasks, which are one function on several items.

    Attributes:
        worker: the address of whoever did them.
        results: what they gave, in order; those before the one that failed.
        error: why it failed; None where none did.
        done, begun: bytes and items, as their progress counts them.
        seconds: how long they took.
    """

    worker: str
    results: list[Any]
    error: ThetaError | None = None
    done: int = 0
    begun: int = 0
    seconds: float = 0.0


class CountedProgress:
    """Progress that nobody watches here: counted, and told with the answer."""

    def __init__(self) -> None:
        self.done = self.begun = 0

    def __call__(self, done: int) -> None:
        self.done += done

    def begin_item(self) -> None:
        """The next of the items begins."""
        self.begun += 1
