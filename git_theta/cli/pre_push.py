"""``git theta pre-push``: what the hook runs, so that commits never arrive without the objects they need."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple

import click

from git_theta.cli import boundary
from git_theta.cli.progress import show_progress
from git_theta.errors import TransportError, UsageError
from git_theta.operations.context import Context
from git_theta.operations.keeping.inventory import ObjectUse, object_sizes
from git_theta.repository.comparing.index_checks import FAULT_HINT, faults_of_commit
from git_theta.repository.sharing.kept_refs import RefUpdate, require_refs_kept
from git_theta.repository.sharing.object_push import (
    PushedRefs,
    PushTotals,
    clear_damaged,
    explain_unreachable,
    open_target,
    push_objects,
    refs_there,
    select_lacking,
)
from git_theta.repository.sharing.pointers import POINTERS_BRANCH, POINTERS_REF, PointerUpdate
from git_theta.repository.stores.opening import open_context, share_passwords
from git_theta.transport.base import Transport
from git_theta.vcs import remotes
from git_theta.vcs.callers.parent_push import is_dry_push
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.left_remotes import describe_left_remote, find_left_remotes
from git_theta.words import humanize_size, pluralize


@click.command
@click.argument("remote")
@click.argument("url")
def command(remote: str, url: str) -> None:
    """Upload what a push needs; Git's pre-push hook runs this.

    Reads from standard input what Git tells the hook: "LOCAL-REF LOCAL-ID REMOTE-REF REMOTE-ID" per line.
    """
    _push_updates(discover_repository(), remotes.find_pushed_name(remote, url), url)


def _push_updates(repository: Repository, remote: str, url: str) -> None:
    lines = [line.decode(errors="replace").split(" ") for line in sys.stdin.buffer.read().splitlines()]
    updates = [_pushed_ids(words) for words in lines]
    refs = (RefUpdate(words[2], words[3], words[1]) for words in lines)
    require_refs_kept(refs, remote, url, repository, boundary.warn)
    tips = [local for local, _ in updates if local.strip("0")]  # zeros: the ref is being deleted
    if not tips:
        return
    for fault in dict.fromkeys(fault for tip in dict.fromkeys(tips) for fault in faults_of_commit(tip)):
        boundary.warn(fault, hint=FAULT_HINT)
    there = [old for _, old in updates if old.strip("0")]
    # What a directory has we can see. Elsewhere we go by the remote-tracking branches, as Git does.
    seen = refs_there(url, repository)
    tracking = remote if seen is None and remote in remotes.list_remotes() else ""
    _push_refs(PushedRefs(tips, [*there, *(seen or ())], tracking, remote), remote, url, repository)


def _pushed_ids(words: list[str]) -> tuple[str, str]:
    if len(words) != 4:
        raise UsageError("this command is for Git's pre-push hook, which tells it what is pushed on standard input")
    return words[1], words[3]


def _push_refs(refs: PushedRefs, remote: str, url: str, repository: Repository) -> None:
    refs.complete_clone()
    needed, believed = refs.needed_objects(boundary.warn_of), refs.believed_objects(lambda _: None)
    if not needed and not believed:
        return
    _warn_of_renames(remote)
    with share_passwords(repository), open_context(repository, boundary.warn) as context, ExitStack() as stack:
        try:
            transport = stack.enter_context(open_target(remote, url, needed, repository, context.store, boundary.warn))
            is_stale = bool(select_lacking(remote, believed, transport))
        except TransportError:
            if needed:
                raise
            return  # a push without checkpoints goes anywhere
        if is_stale:
            needed = refs._replace(tracking="").needed_objects(boundary.warn_of)
        target = PushTarget(remote, url, transport, transport.needs_pointers)
        push_needed(needed, target, context, repository, dry_run=is_dry_push())


def _warn_of_renames(remote: str) -> None:
    """Git renames a remote without what is configured of it for us: its objects go elsewhere then."""
    for left in find_left_remotes(remote):
        text, hint = describe_left_remote(left, remote)
        boundary.warn(text, hint=hint)


def push_with_progress(
    needed: Mapping[str, ObjectUse],
    remote: str,
    url: str,
    repository: Repository,
    *,
    dry_run: bool = False,
    revalidate: bool = False,
    pointers: bool = False,
) -> PushTotals:
    """Put on a remote what it lacks of these objects, and pointers of them where it needs them; say so.

    ``dry_run``: say alone what would be put there. ``revalidate``: what it has is read there, and counts where it is
    whole. ``pointers``: write them where it is not known to need them, too. Raises TransportError where one of these
    cannot be.
    """
    with (
        share_passwords(repository),
        open_context(repository, boundary.warn) as context,
        open_target(remote, url, needed, repository, context.store, boundary.warn) as transport,
    ):
        if revalidate:
            clear_damaged(needed, transport)
        target = PushTarget(remote, url, transport, pointers or transport.needs_pointers)
        return push_needed(needed, target, context, repository, dry_run=dry_run)


class PushTarget(NamedTuple):
    """Where objects are pushed.

    Attributes:
        remote, url: its name, and where Git pushes to it.
        transport: to it, open.
        pointers: whether it gets pointers of the objects, too.
    """

    remote: str
    url: str
    transport: Transport
    pointers: bool


def push_needed(
    needed: Mapping[str, ObjectUse], target: PushTarget, context: Context, repository: Repository, *, dry_run: bool
) -> PushTotals:
    """Put there what it lacks of these objects, and say so; as ``push_with_progress``."""
    lacking = select_lacking(target.remote, needed, target.transport)
    sent = PushTotals(len(lacking), sum(object_sizes(lacking).values()))
    if dry_run:
        _say_totals("would push", sent)
        return sent
    with ExitStack() as stack:
        update = None
        if target.pointers:
            update = stack.enter_context(PointerUpdate(target.remote, target.url, repository, boundary.warn))
        _send_objects(lacking, target, context, sent)
        if update:
            _write_pointers(update, needed, target.remote)
    return sent


def _send_objects(lacking: Mapping[str, ObjectUse], target: PushTarget, context: Context, totals: PushTotals) -> None:
    with (
        show_progress("Pushing objects", totals.bytes, totals.objects) as meter,
        explain_unreachable(target.remote, lacking),
    ):
        push_objects(lacking, target.transport, context, meter.finish_item)
    if target.transport.unverified:
        boundary.warn(f"not verified on {target.remote}: {target.transport.unverified}")
    _say_totals("pushed", totals)


def _say_totals(done: str, totals: PushTotals) -> None:
    if totals.objects:
        boundary.say(f"{done} {pluralize(totals.objects, 'object')}, {humanize_size(totals.bytes)}")


def _write_pointers(update: PointerUpdate, needed: Mapping[str, ObjectUse], remote: str) -> None:
    done = update.write(object_sizes(needed))
    if done.refusal:
        branch = POINTERS_BRANCH.removeprefix("refs/heads/")
        boundary.say(f"{remote} takes no {POINTERS_REF} ({done.refusal}): its branch {branch} has the pointers")
