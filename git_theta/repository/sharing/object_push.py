"""Objects to a remote, so that the manifests pushed to it can be restored from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from git_theta.errors import ManifestError, MissingObject, PluginError, ThetaError, TransportError
from git_theta.operations.context import Context
from git_theta.operations.keeping.inventory import ObjectUse, needed_objects, object_sizes
from git_theta.repository.history.stored_manifests import read_manifests
from git_theta.repository.stores.remote_transports import open_remote
from git_theta.store.base import Store, select_missing
from git_theta.transport.base import Transport
from git_theta.transport.choose import name_remote
from git_theta.transport.urls import local_path
from git_theta.vcs import blob_walks, remotes
from git_theta.vcs.discovery import Repository
from git_theta.vcs.partial_clone import fetch_missing_blobs, find_promisor
from git_theta.words import humanize_size, pluralize

_ATTEMPTS = 2
"""How often an object is sent that did not arrive."""
_COMMITS_ALONE_HINT = (
    "`git push --no-verify` pushes the commits alone, which nobody can check out without these objects."
)


class PushTotals(NamedTuple):
    """What was put on the remote: objects, and their bytes."""

    objects: int
    bytes: int


class PushedRefs(NamedTuple):
    """What a push is about to do with a remote's refs.

    Attributes:
        tips: ids of what is pushed.
        there: ids that the remote has, as far as we know for sure.
        tracking: the remote's name, where its remote-tracking branches may tell more; else "".
        remote: the remote's name; "" where it matters to nobody.
    """

    tips: list[str]
    there: list[str]
    tracking: str
    remote: str = ""

    def complete_clone(self) -> None:
        """Bring here what a partial clone has left out of what is pushed, where that is to another remote than its own.

        Git does it as well, later and one by one: it sends those blobs. We have to see which of them are manifests.
        """
        if find_promisor() in ("", self.remote):
            return
        last: list[str] = []
        while absent := blob_walks.absent_ids(self.there, self.tips):
            if absent == last:  # the remote has not got them either: Git says so
                break
            fetch_missing_blobs(absent)
            last = absent

    def needed_objects(self, warn: Callable[[ManifestError], None]) -> dict[str, ObjectUse]:
        """The objects of what is pushed itself, whatever Git's remote has, and of manifests that are new there.

        A remote that got its commits in some other way (a mirror, ``--no-verify``) may lack the objects of either.
        """
        blobs = blob_walks.pushed_blobs(self.there, self.tips, tracking=self.tracking)
        return needed_objects(read_manifests(blobs, warn))

    def believed_objects(self, warn: Callable[[ManifestError], None]) -> dict[str, ObjectUse]:
        """The objects that the remote has if its remote-tracking branches are right about it.

        They are not where it was made anew since, or where this is another one of several URLs that are pushed to.
        """
        if not self.tracking:
            return {}
        bounds = blob_walks.tracking_bounds(self.there, self.tips, self.tracking)
        return needed_objects(read_manifests(blob_walks.tree_blobs(bounds), warn))


def refs_there(url: str, repository: Repository) -> list[str] | None:
    """The ids that the refs of a remote point at, where that is a directory: there we can see what it has."""
    path = local_path(url)
    found = remotes.find_directory_repository(path, repository.home) if path else None
    return blob_walks.ref_tips(found.git_dir) if found else None


def open_target(
    remote: str,
    url: str,
    needed: Mapping[str, ObjectUse],
    repository: Repository,
    store: Store,
    tell: Callable[[str], None],
) -> Transport:
    """The transport to a remote that is to have these objects. Raises TransportError where there is none.

    ``tell`` says one thing to the person.
    """
    with explain_unreachable(remote, needed):
        return open_remote(remote, url, repository, store, push=True, tell=tell)


def select_lacking(remote: str, needed: Mapping[str, ObjectUse], transport: Transport) -> dict[str, ObjectUse]:
    """Those of these objects that the remote has not got. Raises TransportError where it cannot be asked."""
    with explain_unreachable(remote, needed):
        return {oid: needed[oid] for oid in transport.lacking(object_sizes(needed))}


def clear_damaged(objects: Iterable[str], transport: Transport) -> None:
    """Have the remote read these objects, and take damaged ones out of the way.

    Raises TransportError for a remote that lets nobody do so, as most hosts.
    """
    if not transport.clears_damaged:
        raise TransportError(
            "this remote lets nobody replace what it has",
            hint="What is damaged there: git theta fsck --remote --verify. Delete it there, and push again.",
        )
    for oid in objects:
        transport.clear_damaged(oid)


def push_objects(
    needed: Mapping[str, ObjectUse], transport: Transport, context: Context, progress: Callable[[int], None]
) -> PushTotals:
    """Put these objects, which it lacks, on the remote.

    Raises MissingObject, with nothing sent, when an object is neither here nor there nor on another remote; and what
    kept an object from arriving. Both say which file and parameter needs it.
    """
    wanted = object_sizes(needed)
    lost = select_missing(wanted, context.store)
    if lost:  # a clone need not have had every version checked out
        context.fetch(lost)
        lost = select_missing(lost, context.store)
    if lost:
        first = next(iter(lost))
        error = MissingObject(
            f"{len(lost)} of the objects to push are neither here nor on the remote, {first} first",
            hint="Nothing was pushed. Push from a clone that has them; `git theta fsck` lists them.",
        )
        raise _locate(error, needed[first])
    failed = _send(wanted, transport, progress)
    if failed:
        raise _locate(_combine_failures(failed), needed[next(iter(failed))])
    return PushTotals(len(wanted), sum(wanted.values()))


def _send(wanted: Mapping[str, int], transport: Transport, progress: Callable[[int], None]) -> dict[str, ThetaError]:
    """Send objects, those that did not arrive more than once; what is wrong with those that still have not."""
    failed: dict[str, ThetaError] = {
        oid: TransportError(f"nothing is known of what became of object {oid}") for oid in wanted
    }
    left = dict(wanted)
    for _ in range(_ATTEMPTS):
        for outcome in transport.push(left):
            progress(outcome.size)
            failed.pop(outcome.oid, None)
            if outcome.error:
                failed[outcome.oid] = outcome.error
        left = {oid: wanted[oid] for oid, error in failed.items() if isinstance(error, TransportError)}
        if not left:
            break
    return failed


def _combine_failures(failed: Mapping[str, ThetaError]) -> ThetaError:
    """The first of some errors, which says how many more there are."""
    first = next(iter(failed.values()))
    more = f"; {pluralize(len(failed) - 1, 'more object')} did not arrive" if len(failed) > 1 else ""
    return type(first)(f"{first.message}{more}", hint=first.hint or "Push again.")


def _locate(error: ThetaError, use: ObjectUse) -> ThetaError:
    return error.add_location(path=use.path, parameter=use.part.name or "")


@contextmanager
def explain_unreachable(remote: str, needed: Mapping[str, ObjectUse]) -> Iterator[None]:
    """Say of what is wrong with a remote as a whole what stays here for it."""
    try:
        yield
    except (PluginError, TransportError) as error:
        if error.path:  # of one object
            raise
        raise _unreachable_error(remote, error, needed) from None


def _unreachable_error(remote: str, reason: ThetaError, needed: Mapping[str, ObjectUse]) -> TransportError:
    """The error of a push that needs objects where they cannot be put."""
    paths = sorted({use.path for use in needed.values()})
    rest = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    total = humanize_size(sum(object_sizes(needed).values()))
    return TransportError(
        f"{remote}: {reason.message}; {pluralize(len(needed), 'object')}, {total}, stay here, "
        f"of {', '.join(paths[:3])}{rest}. Nothing was pushed.",
        hint="\n".join(filter(None, (name_remote(reason.hint, remote), _COMMITS_ALONE_HINT))),
    )
