"""What nothing needs, taken out of stores once it is old enough.

What is young may be about to be named: an add, merge or push puts or freshens its objects first, and what names them is
recorded after that. So age alone tells it from what nobody wants, and is looked at again as each object is deleted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Set
from typing import NamedTuple

from git_theta.store.base import Store

RESULT_DAYS = 60
"""Days for which the results of merges stay since they were last used, as long as Git keeps what `rerere` knows."""


class UnneededObject(NamedTuple):
    """An object that nothing needs: its size in bytes, when it was stored (seconds since the epoch), and its store."""

    oid: str
    size: int
    stored_at: float
    store: Store


class CollectionPlan(NamedTuple):
    """The objects of stores, by what is to become of them.

    Attributes:
        needed, needed_bytes: how many something needs, and their bytes.
        young: what nothing needs yet.
        remembered: what a merge computed and nothing recorded, which is not computed again as long as it is here.
        garbage: what is to be deleted.
    """

    needed: int
    needed_bytes: int
    young: list[UnneededObject]
    remembered: list[UnneededObject]
    garbage: list[UnneededObject]


def plan_collection(stores: Iterable[Store], needed: Set[str], remembered: Set[str], moment: float) -> CollectionPlan:
    """What is to become of every object. Changes nothing.

    Args:
        stores: of this repository alone.
        needed: ids of what something needs.
        remembered: ids of what results of merges lie in.
        moment: what was put or freshened then (in seconds since the epoch) or later is young.

    Raises StoreError for a store that does not tell how old its objects are.
    """
    plan = CollectionPlan(0, 0, [], [], [])
    results_from = time.time() - RESULT_DAYS * 24 * 3600
    count, total = 0, 0
    for store in stores:
        for oid in store.oids():
            size = store.size(oid) or 0
            if oid in needed:
                count, total = count + 1, total + size
                continue
            stored_at = store.stored_at(oid)
            if stored_at is None:  # deleted in this moment
                continue
            is_result = oid in remembered and stored_at >= results_from
            group = plan.young if stored_at >= moment else plan.remembered if is_result else plan.garbage
            group.append(UnneededObject(oid, size, stored_at, store))
    return plan._replace(needed=count, needed_bytes=total)


def delete_garbage(
    garbage: Iterable[UnneededObject], moment: float, progress: Callable[[int], None]
) -> list[UnneededObject]:
    """Delete these objects, but for those that somebody has freshened since; returns what was deleted.

    ``moment``: as of ``plan_collection``. ``progress``: told the size of each. Raises StoreError.
    """
    deleted = []
    for one in garbage:
        if one.store.delete_older(one.oid, moment):
            deleted.append(one)
        progress(one.size)
    return deleted
