"""Files that are kept whole: which of their pieces differ. On ids alone, as nothing in them has a name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from git_theta.checkpoints.shards import Shard
from git_theta.manifest.model import stored_bytes
from git_theta.words import humanize_size, pluralize

_RUN_HEADER = 8
"""Bytes of a frame that say how long its one run of literal bytes is."""


class PieceCounts(NamedTuple):
    """Pieces of a file that is kept whole.

    Attributes:
        pieces: how many there are; of a removed file, were.
        differing: how many of them the version before has not.
        differing_bytes: their size.
        stored_bytes: what they take in the store.
        compared: whether there are two versions.
    """

    pieces: int
    differing: int
    differing_bytes: int
    stored_bytes: int
    compared: bool


def count_pieces(before: Iterable[Shard], after: Iterable[Shard]) -> PieceCounts | None:
    """The pieces of files that are kept whole at both versions; None where any of them has parameters."""
    old, new = list(before), list(after)
    if not all(shard.manifest.is_opaque for shard in (*old, *new)):
        return None
    were = {piece.oid for shard in old for piece in shard.manifest.parts()}
    pieces = [piece for shard in new or old for piece in shard.manifest.parts()]
    others = [piece for piece in pieces if new and piece.oid not in were]
    size = sum(entry.size for shard in new for entry in shard.manifest.entries if entry.oid not in were)
    # A short file has no entries: it is the one run of literal bytes in its frame.
    size += sum(piece.size - _RUN_HEADER for shard in new if (piece := shard.manifest.frame) and piece.oid not in were)
    return PieceCounts(len(pieces), len(others), size, stored_bytes(others), bool(old and new))


def describe_pieces(found: PieceCounts) -> str:
    """``2 of 12 pieces differ (131.1 kB)``; of a file that came or went ``12 pieces``."""
    if not found.compared:
        return pluralize(found.pieces, "piece")
    if not found.differing:
        return f"the same {pluralize(found.pieces, 'piece')}, in another order or with others gone"
    verb = "differs" if found.differing == 1 else "differ"
    return f"{found.differing:,} of {pluralize(found.pieces, 'piece')} {verb} ({humanize_size(found.differing_bytes)})"
