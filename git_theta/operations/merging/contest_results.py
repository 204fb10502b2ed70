"""A contest computed and stored: a task, which any machine can do that has the strategy and reaches the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from git_theta.errors import StoreError
from git_theta.merging.base import Contest, ContestReport
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.execution import merge_bytes
from git_theta.operations.adding.computed_values import encode_computed
from git_theta.operations.adding.encoding import EncodedPart
from git_theta.operations.streams import Stream
from git_theta.parameters.preferences import Preferences
from git_theta.store.base import Store
from git_theta.tensors.arrays import BLOCK


class ContestResult(NamedTuple):
    """What became of a contest: the merged tensor, and what the strategy had to tell."""

    part: EncodedPart
    report: ContestReport


def compute_contest(
    strategy: str, store: Store, preferences: Preferences, progress: Callable[[int], None], contest: Contest
) -> ContestResult:
    """What the strategy of that name makes of a contest that it has prepared; see ``encode_computed``."""
    pieces = Stream.from_pieces(merge_bytes(load_strategy(strategy), contest)).take_rest(BLOCK)
    part = encode_computed(pieces, contest.spec.dtype.width, store, preferences, progress)
    return ContestResult(part, contest.report)


def require_objects(part: EncodedPart, store: Store) -> None:
    """Raise StoreError where a part that was stored just now is not in the store: it may have been put elsewhere."""
    for oid, size in part.storage.place.objects() if part.storage else ():
        if store.size(oid) != size:
            raise StoreError(
                f"object {oid} was put on another machine, and is not here",
                hint="Have all machines use the same store: one disk, at the same path.",
            )
