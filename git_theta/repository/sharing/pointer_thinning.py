"""Fewer pointers on a remote: without those of versions that no ref there holds, so that its host frees the space.

The host deletes what no pointer in the history of any ref names. So the pointers get a new history: a commit with what
stays, and after it what young commits brought, with their dates. What is young stays, whatever refs say: a push brings
its objects and pointers first, and its commits after that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from git_theta.errors import TransportError
from git_theta.repository.sharing.pointers import (
    POINTERS_BRANCH,
    POINTERS_REF,
    open_pointer_scratch,
    pause_before_retry,
    push_pointers,
)
from git_theta.repository.sharing.remote_needs import find_needed, name_here
from git_theta.vcs.discovery import Repository
from git_theta.vcs.pointer_tree import PointerTree, commit_pointers, list_additions, read_pointer_tree, read_pointers
from git_theta.vcs.scratch_repository import ScratchRepository

_REFS = (POINTERS_REF, POINTERS_BRANCH)
_ATTEMPTS = 8


class ThinnedRef(NamedTuple):
    """What would be done to one of the refs that have pointers.

    Attributes:
        ref, tip: its name, and where it points now.
        old: pointers that stay, oid to size, but for those of ``young``.
        young: the date of each young commit, and what it brought, the oldest first.
        dropped: pointers that go.
    """

    ref: str
    tip: str
    old: Mapping[str, int]
    young: list[tuple[int, dict[str, int]]]
    dropped: Mapping[str, int]


class ThinningPlan(NamedTuple):
    """What would be done to the pointers of a remote.

    Attributes:
        needed: objects, oid to size, that manifests in the history of its other refs need.
        refs: what would be done to those that have pointers.
    """

    needed: Mapping[str, int]
    refs: list[ThinnedRef]

    @property
    def kept(self) -> dict[str, int]:
        """The pointers that stay: oid to size."""
        return {
            oid: size
            for one in self.refs
            for some in (one.old, *(new for _, new in one.young))
            for oid, size in some.items()
        }

    @property
    def dropped(self) -> dict[str, int]:
        """The objects that lose their last pointer: oid to size."""
        kept = self.kept
        return {oid: size for one in self.refs for oid, size in one.dropped.items() if oid not in kept}


def plan_thinning(
    remote: str, url: str, expire: int, repository: Repository, tell: Callable[[str], None]
) -> ThinningPlan:
    """What there is to drop, of what is not younger than a moment (seconds since the epoch). Changes nothing.

    Raises TransportError where the remote cannot be read, ManifestError where it has manifests that this release
    cannot read: nobody knows what those need.
    """
    with open_pointer_scratch(remote, url, repository, tell) as scratch:
        return _plan_here(scratch, expire)


def thin_pointers(
    remote: str, url: str, expire: int, repository: Repository, agreed: Collection[str], tell: Callable[[str], None]
) -> dict[str, int]:
    """Drop the pointers of objects that were agreed to, as far as they are not needed by now; returns what lost one.

    Raises as :func:`plan_thinning`; TransportError also where the host refuses.
    """
    with open_pointer_scratch(remote, url, repository, tell) as scratch:
        plan = _thin_until_taken(remote, scratch, expire, agreed)
        # Who has pushed meanwhile may have found pointers there that are gone now.
        needed = find_needed(scratch, _REFS)
    dropped = plan.dropped
    lost = {oid: size for oid, size in needed.items() if oid in dropped}
    if lost:
        push_pointers(remote, url, lost, repository, tell)
    return {oid: size for oid, size in dropped.items() if oid not in lost}


def _thin_until_taken(remote: str, scratch: ScratchRepository, expire: int, agreed: Collection[str]) -> ThinningPlan:
    reason = ""
    for attempt in range(_ATTEMPTS):
        plan = _plan_here(scratch, expire, agreed)
        reason = next(filter(None, (_replace_ref(remote, scratch, one, expire) for one in plan.refs)), "")
        if not reason:
            return plan
        pause_before_retry(attempt)
    raise TransportError(
        f"{remote}: its pointers could not be replaced: others were first, {_ATTEMPTS} times ({reason})",
        hint="Try again when fewer people push.",
    )


def _replace_ref(remote: str, scratch: ScratchRepository, thinned: ThinnedRef, expire: int) -> str:
    """Give a ref that loses anything its new history; why that could not be, where somebody else was first."""
    if not thinned.dropped:
        return ""
    commit = commit_pointers(scratch, "", thinned.old, min(expire, int(time.time())))
    for moment, some in thinned.young:
        commit = commit_pointers(scratch, commit, some, moment)
    answer = scratch.push(commit, thinned.ref, thinned.tip)
    if answer.state == "refused":
        raise TransportError(
            f"{remote} does not have {thinned.ref} replaced: {answer.reason}",
            hint="Have it accept forced pushes to that ref for as long as this takes.",
        )
    return answer.reason


def _plan_here(scratch: ScratchRepository, expire: int, agreed: Collection[str] | None = None) -> ThinningPlan:
    needed = find_needed(scratch, _REFS)
    commits = scratch.list_commits()
    trees = [(ref, read_pointer_tree(scratch, commits.get(name_here(ref), ""))) for ref in _REFS]
    refs = [_plan_ref(scratch, ref, tree, needed, expire, agreed) for ref, tree in trees]
    return ThinningPlan(needed, [one for one in refs if one.tip])


def _plan_ref(
    scratch: ScratchRepository,
    ref: str,
    tree: PointerTree,
    needed: Collection[str],
    expire: int,
    agreed: Collection[str] | None,
) -> ThinnedRef:
    if not tree.tip:
        return ThinnedRef(ref, "", {}, [], {})
    sizes = read_pointers(scratch, tree)
    young, seen = [], set[str]()
    for moment, oids in list_additions(scratch, tree, expire):
        young.append((moment, {oid: sizes[oid] for oid in oids if oid in sizes}))
        seen.update(oids)
    rest = {oid: size for oid, size in sizes.items() if oid not in seen}
    dropped = {oid: size for oid, size in rest.items() if oid not in needed and (agreed is None or oid in agreed)}
    old = {oid: size for oid, size in rest.items() if oid not in dropped}
    return ThinnedRef(ref, tree.tip, old, young, dropped)
