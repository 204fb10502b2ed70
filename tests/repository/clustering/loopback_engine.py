"""An engine that sends every task to itself: what travels goes through bytes and back, as to another machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from git_theta.operations.context import Context
from git_theta.repository.clustering.travel_codec import TravelCodec

T = TypeVar("T")
R = TypeVar("R")


class LoopbackEngine:
    """Raises CannotTravelError for what would be done at home."""

    def __init__(self, context: Context) -> None:
        self._codec = TravelCodec({"store": context.store, "progress": context.progress})

    def map(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """As ``Engine`` says."""
        encoded = self._codec.encode(function)
        for item in items:
            message = self._codec.encode(item)
            result = self._codec.decode(encoded)(self._codec.decode(message))
            yield self._codec.decode(self._codec.encode(result))
