"""What a remote needs so that the manifests pushed to it can be restored from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from git_theta.errors import MissingObject
from git_theta.operations.keeping.inventory import ObjectUse
from git_theta.store.base import Store


class PushTotals(NamedTuple):
    """What was put on the remote: objects, and their bytes."""

    objects: int
    bytes: int


def send_objects(
    needed: Mapping[str, ObjectUse],
    store: Store,
    lacking: Callable[[Mapping[str, int]], list[str]],
    send: Callable[[Mapping[str, int]], None],
    fetch: Callable[[list[str]], object],
) -> PushTotals:
    """Put on the remote what it lacks.

    Args:
        needed: from ``needs``.
        store: ours.
        lacking: which of these objects (oid to size) the remote has not got.
        send: puts objects there, or raises.
        fetch: tries to bring objects here from other remotes: a clone need not have had every version checked out.

    Raises MissingObject, with nothing sent, when an object is neither here nor there.
    """
    sizes = {oid: use.bytes for oid, use in needed.items()}
    wanted = {oid: sizes[oid] for oid in lacking(sizes)}
    lost = _find_lost(wanted, store)
    if lost:
        fetch(lost)
        lost = _find_lost(wanted, store)
    if lost:
        use = needed[lost[0]]
        raise MissingObject(
            f"{len(lost)} of the objects to push are neither here nor on the remote, {lost[0]} first",
            hint="Nothing was pushed. Push from a clone that has them; `git theta fsck` lists them.",
            path=use.path,
            parameter=use.part.name or "",
        )
    if wanted:
        send(wanted)
    return PushTotals(len(wanted), sum(wanted.values()))


def _find_lost(wanted: Mapping[str, int], store: Store) -> list[str]:
    return [oid for oid, size in wanted.items() if store.size(oid) != size]
