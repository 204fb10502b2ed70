"""Objects that no version on a remote needs any more, taken off it: one way for all transports that can.

What is young stays, whatever refs say: a push brings objects first, and its commits after that. Where a remote tells no
ages, and for somebody who has just now found there what they need, the refs are read again afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from git_theta.errors import TransportError
from git_theta.repository.sharing.remote_needs import find_needed_at
from git_theta.transport.base import HeldObject, Transport
from git_theta.vcs.discovery import Repository
from git_theta.words import pluralize


class PruningPlan(NamedTuple):
    """What would be done to the objects of a remote: oid to size of each.

    Attributes:
        needed: what its versions need.
        kept: what it has and keeps.
        dropped: what goes.
        tells_ages: whether it says since when it has them.
    """

    needed: Mapping[str, int]
    kept: Mapping[str, int]
    dropped: Mapping[str, int]
    tells_ages: bool


def plan_pruning(
    remote: str,
    urls: Sequence[str],
    expire: int,
    repository: Repository,
    transport: Transport,
    tell: Callable[[str], None],
) -> PruningPlan:
    """What there is to drop, of what is not younger than a moment (seconds since the epoch). Changes nothing.

    Raises TransportError where the remote cannot be read, ManifestError where it has manifests that this release cannot
    read.

    Args:
        remote: its name.
        urls: all that lead to its versions: what any of them needs stays.
        expire: the moment.
        repository: ours.
        transport: to the remote, one that drops objects.
        tell: says one thing to the person: that the host is silent.
    """
    needed = find_needed_at(remote, urls, repository, tell)
    held = {one.oid: one for one in transport.list_held()}
    dropped = {one.oid: one.size for one in held.values() if one.oid not in needed and _is_old(one, expire)}
    kept = {one.oid: one.size for one in held.values() if one.oid not in dropped}
    return PruningPlan(needed, kept, dropped, all(one.moment is not None for one in held.values()))


def prune_objects(
    remote: str,
    urls: Sequence[str],
    expire: int,
    repository: Repository,
    transport: Transport,
    agreed: Collection[str],
    tell: Callable[[str], None],
) -> dict[str, int]:
    """Drop the objects that were agreed to, as far as they are not needed by now; returns what is gone.

    What somebody's commits, which came in this moment, need is put back from here. Raises as :func:`plan_pruning`;
    TransportError also where the remote refuses, and where something can not be put back.
    """
    plan = plan_pruning(remote, urls, expire, repository, transport, tell)
    dropped = {oid: size for oid, size in plan.dropped.items() if oid in agreed}
    transport.drop_objects(dropped)
    needed = find_needed_at(remote, urls, repository, tell)
    missed = {oid: size for oid, size in dropped.items() if oid in needed}
    lost = [one.oid for one in transport.push(missed) if one.error]
    if lost:
        raise TransportError(
            f"{remote}: commits that came just now need {pluralize(len(lost), 'object')} that went, {lost[0]} first",
            hint="Have whoever pushed them put their objects there: git theta push",
        )
    return {oid: size for oid, size in dropped.items() if oid not in missed}


def _is_old(held: HeldObject, expire: int) -> bool:
    return held.moment is None or held.moment <= expire
