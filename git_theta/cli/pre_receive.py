"""``git theta pre-receive``: what the hook of a repository runs that others push to.

So it never holds commits whose objects it lacks: from clones in which no hook of ours ran, too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import click

from git_theta.cli import boundary
from git_theta.errors import ManifestError, MissingObject, UsageError
from git_theta.operations.keeping.inventory import ObjectUse
from git_theta.repository.sharing.object_push import PushedRefs
from git_theta.repository.stores.object_stores import open_store
from git_theta.vcs import blob_walks
from git_theta.vcs.discovery import discover_repository
from git_theta.words import pluralize

_HINT = """\
Nothing was taken. Push from a clone with git-theta, whose pre-push hook brings the objects along: git theta install
Where another program keeps the hooks: git theta push, then git push"""


@click.command
def command() -> int:
    """Refuse a push that brings commits without their objects; Git's pre-receive hook runs this.

    Reads from standard input what Git tells the hook: "OLD-ID NEW-ID REF" per line.
    """
    repository = discover_repository()
    # What was pushed is in quarantine: Git tells where by variables that its commands read, ours too.
    known = blob_walks.ref_tips(repository.git_dir)
    store = open_store(repository)
    updates = [(new, ref) for new, ref in map(_read_update, sys.stdin.buffer.read().splitlines()) if new.strip("0")]

    def find_lost(tips: list[str], warn: Callable[[ManifestError], None]) -> dict[str, ObjectUse]:
        needed = PushedRefs(tips, known, "").needed_objects(warn)
        return {oid: use for oid, use in needed.items() if store.size(oid) != use.bytes}

    # All at once, as a push may bring thousands of refs; one by one to say which of them lack what.
    if not updates or not find_lost([new for new, _ in updates], boundary.warn_of):
        return 0
    codes = [
        boundary.report_error(_refusal(ref, lost)) for new, ref in updates if (lost := find_lost([new], lambda _: None))
    ]
    return codes[0]


def _read_update(line: bytes) -> tuple[str, str]:
    """The new id, zeros where the ref is being deleted, and the ref."""
    words = line.split(b" ", 2)
    if len(words) != 3:
        raise UsageError("this command is for Git's pre-receive hook, which tells it what is pushed on standard input")
    return words[1].decode(errors="replace"), os.fsdecode(words[2])


def _refusal(ref: str, lost: dict[str, ObjectUse]) -> MissingObject:
    first, use = next(iter(lost.items()))
    return MissingObject(
        f"{pluralize(len(lost), 'object')} of what is pushed to {ref} did not come along, {first} first",
        hint=_HINT,
        path=use.path,
        parameter=use.part.name or "",
    )
