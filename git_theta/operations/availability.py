"""Objects that an operation is about to read: here, or fetched, before it begins."""

from __future__ import annotations

from collections.abc import Iterable

from git_theta.errors import MissingObject
from git_theta.manifest.model import Entry
from git_theta.operations.context import Context

_NOWHERE = (
    "If no remote has them, ask who made the commit: to push them (git push), or where they are (theta.remote.NAME.url)"
)


def require_entries(entries: Iterable[Entry], context: Context) -> None:
    """Return when the objects of these entries are here, after asking the remotes once for what is not.

    A clone has the objects of what it checked out, so those of the side that is merged in may be elsewhere yet. Raises
    MissingObject naming the first parameter that cannot be had, and how many objects are missing.
    """
    wanted = list(entries)
    reasons: list[str] = []
    if missing := _missing_entries(wanted, context):
        reasons = context.fetch({oid: entry.storage.objects()[oid] for oid, entry in missing.items()})
    if missing := _missing_entries(wanted, context):
        oid, first = next(iter(missing.items()))
        raise MissingObject(
            f"{len(missing)} objects that the merge must read are missing here, {oid} first",
            parameter=first.name or "",
            hint=fetch_hint(reasons),
        )


def are_here(entries: Iterable[Entry], context: Context) -> bool:
    """Whether all objects of these entries are in the store."""
    return not _missing_entries(entries, context)


def fetch_hint(reasons: Iterable[str]) -> str:
    """A hint for objects that cannot be had.

    ``reasons``: why each remote did not help, as ``Context.fetch`` returns them.
    """
    from textwrap import indent  # 1 ms: every filter knows this module

    asked = [indent(reason, "  ") for reason in reasons]
    first = "These were asked for them:" if asked else "There is no remote to ask for them: git remote add"
    return "\n".join([first, *asked, _NOWHERE])


def _missing_entries(entries: Iterable[Entry], context: Context) -> dict[str, Entry]:
    needed = {(oid, size): entry for entry in entries for oid, size in entry.storage.objects().items()}
    return {oid: entry for (oid, size), entry in needed.items() if context.store.size(oid) != size}
