"""The factors that a version is stored with: of an adapter that was side-loaded, to the bit but for powers of two."""

from __future__ import annotations

from contextlib import closing

from git_theta.manifest.model import Entry
from git_theta.parameters.value_decoding import read_arrays
from git_theta.store.base import ObjectReader
from git_theta.updates.low_rank.factors import Factors
from git_theta.updates.low_rank.head_lists import read_factors
from git_theta.updates.low_rank.low_rank_update import APART, RANK, ROUNDED, LowRankUpdate


def stored_rank(entry: Entry, base: Entry) -> int:
    """The rank of the factors with which a parameter is stored on another version of it; 0 where it is not.

    Those of which the product is rounded by itself are none that PEFT has for a layer.
    """
    coding = entry.storage.coding
    if coding.update != LowRankUpdate.name or ROUNDED in coding.options:
        return 0
    if not coding.chain or coding.chain[-1].oid != base.oid:
        return 0
    rank = coding.options.get(RANK)
    return rank if isinstance(rank, int) else 0


def read_stored_factors(entry: Entry, store: ObjectReader) -> Factors:
    """The factors of a parameter that has a ``stored_rank``. Raises MissingObject, CorruptObject."""
    with closing(read_arrays(entry, store)) as lists:
        options = entry.storage.coding.options
        return read_factors(lists, options[RANK], entry.shape, apart=APART in options, rounds_product=False)
