"""Objects that are not here, from the remotes that may have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from git_theta.errors import CorruptObject, MissingObject, StoreError, ThetaError
from git_theta.store.base import Store, select_missing
from git_theta.store.inbox import Inbox
from git_theta.transport.base import Outcome, Transport
from git_theta.transport.choose import name_remote
from git_theta.transport.outcomes import UnusableRemote
from git_theta.transport.urls import redact_url
from git_theta.vcs.remotes import FetchSource


def fetch_objects(
    objects: Mapping[str, int],
    store: Store,
    inbox: Inbox,
    sources: Sequence[FetchSource],
    open_source: Callable[[FetchSource], Transport],
    finish_object: Callable[[int], None],
    unusable: dict[FetchSource, ThetaError],
) -> list[str]:
    """Ask each remote in turn for what is missing or was cut off, until it is there; why those asked did not help.

    What goes wrong with a remote is its reason, with what to do about it in lines of their own, and the next one is
    asked. Raises StoreError where ours cannot be written.

    Args:
        objects: oid to size.
        store: ours, which the inbox fills.
        inbox: for what is arriving.
        sources: the remotes, first to last.
        open_source: opens the transport to one of them.
        finish_object: told the size of every object that came.
        unusable: remotes that are known to be of no use to anybody, and why: they are not asked, since a host that is
            silent takes long to be given up. Those that turn out to be are added.
    """
    missing = select_missing(objects, store)
    for oid in missing:
        store.set_aside(oid)
    reasons = []
    for source in sources:
        if not missing:
            break
        why, hint = _ask_remote(source, missing, inbox, open_source, finish_object, unusable)
        missing = select_missing(missing, store)
        if missing:
            told = f"{redact_url(source.name)} ({redact_url(source.url)}): {why or 'has no such objects'}"
            reasons.append("\n  ".join([told, *name_remote(hint, source.name).splitlines()]))
    store.sync()
    return reasons


def _ask_remote(
    source: FetchSource,
    missing: Mapping[str, int],
    inbox: Inbox,
    open_source: Callable[[FetchSource], Transport],
    finish_object: Callable[[int], None],
    unusable: dict[FetchSource, ThetaError],
) -> tuple[str, str]:
    """Fetch from one remote what it has; what went wrong, or "", and what to do about it."""
    failed = []
    try:
        if source in unusable:
            raise unusable[source]
        with open_source(source) as transport:
            for outcome in transport.fetch(missing, inbox):
                if outcome.error:
                    failed.append(outcome)
                else:
                    finish_object(outcome.size)
        return _describe_failures(source.name, failed), ""
    except StoreError:  # our own store: another remote would not help
        raise
    except UnusableRemote as error:
        unusable[source] = error
        return error.message, error.hint
    except ThetaError as error:
        return error.message, error.hint
    except OSError as error:
        return error.strerror or str(error), ""


def _describe_failures(name: str, failed: Iterable[Outcome]) -> str:
    """The worst that happened to objects: damaged, then not moved. What a remote has not got is no failure of it."""
    for outcome in failed:
        if isinstance(outcome.error, CorruptObject):
            return f"the copy on {name} is damaged: {outcome.oid}"
    return next((one.error.message for one in failed if one.error and not isinstance(one.error, MissingObject)), "")
