"""Items in the order in which a search takes them, and those that it never sees."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple


class SplitItems(NamedTuple):
    """The ids of an evaluation's items, split by chance.

    Attributes:
        searched: what candidates are compared on, in the order in which they are taken.
        held_out: what the winner is measured on, once.
    """

    searched: tuple[str, ...]
    held_out: tuple[str, ...]


def split_items(ids: Iterable[str], share: float, seed: int) -> SplitItems:
    """Split ids by their hashes: the same ones in any order are split alike.

    ``share``: of those that are held out, from 0 to less than 1. One item is always searched.
    """
    ordered = sorted(ids, key=lambda one: hashlib.sha256(f"{seed} {one}".encode(errors="surrogatepass")).digest())
    count = min(round(share * len(ordered)), len(ordered) - 1)
    return SplitItems(tuple(ordered[count:]), tuple(ordered[:count]))
