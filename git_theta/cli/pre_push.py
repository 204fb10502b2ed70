"""``git theta pre-push``: what the hook runs, so that commits never arrive without the objects they need."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack

import click

from git_theta.cli import boundary
from git_theta.cli.progress import show_progress
from git_theta.errors import TransportError, UsageError
from git_theta.operations.context import Context
from git_theta.operations.keeping.inventory import ObjectUse, object_sizes
from git_theta.repository.comparing.index_checks import FAULT_HINT, faults_of_commit
from git_theta.repository.sharing.kept_refs import RefUpdate, require_refs_kept
from git_theta.repository.sharing.pointers import POINTERS_BRANCH, POINTERS_REF, push_pointers
from git_theta.repository.sharing.sharing import (
    PushedRefs,
    PushTotals,
    clear_damaged,
    explain_unreachable,
    open_target,
    push_objects,
    refs_there,
    select_lacking,
)
from git_theta.repository.stores.opening import open_context, share_passwords
from git_theta.transport.base import Transport
from git_theta.vcs import remotes
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.parent_process import is_dry_push
from git_theta.words import humanize_size, pluralize


@click.command
@click.argument("remote")
@click.argument("url")
def command(remote: str, url: str) -> None:
    """Upload what a push needs; Git's pre-push hook runs this.

    Reads from standard input what Git tells the hook: "LOCAL-REF LOCAL-ID REMOTE-REF REMOTE-ID" per line.
    """
    repository = discover_repository()
    lines = [line.decode(errors="replace").split(" ") for line in sys.stdin.buffer.read().splitlines()]
    updates = [_pushed_ids(words) for words in lines]
    require_refs_kept((RefUpdate(words[2], words[3], words[1]) for words in lines), remote, url, repository)
    tips = [local for local, _ in updates if local.strip("0")]  # zeros: the ref is being deleted
    if not tips:
        return
    for fault in dict.fromkeys(fault for tip in dict.fromkeys(tips) for fault in faults_of_commit(tip)):
        boundary.warn(fault, hint=FAULT_HINT)
    there = [old for _, old in updates if old.strip("0")]
    # What a directory has we can see. Elsewhere we go by the remote-tracking branches, as Git does.
    seen = refs_there(url, repository)
    tracking = remote if seen is None and remote in remotes.remote_urls() else ""
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
        dry_run = is_dry_push()
        push_needed(remote, needed, transport, context, dry_run=dry_run)
        if transport.needs_pointers and not dry_run:
            _push_pointers(needed, remote, url, repository)


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
    with share_passwords(repository):
        with (
            open_context(repository, boundary.warn) as context,
            open_target(remote, url, needed, repository, context.store, boundary.warn) as transport,
        ):
            if revalidate:
                clear_damaged(needed, transport)
            sent = push_needed(remote, needed, transport, context, dry_run=dry_run)
            pointers = pointers or transport.needs_pointers
        if pointers and not dry_run:
            _push_pointers(needed, remote, url, repository)
    return sent


def push_needed(
    remote: str, needed: Mapping[str, ObjectUse], transport: Transport, context: Context, *, dry_run: bool
) -> PushTotals:
    """Put on an open remote what it lacks of these objects, and say so; as ``push_with_progress``."""
    lacking = select_lacking(remote, needed, transport)
    size = sum(object_sizes(lacking).values())
    sent = PushTotals(len(lacking), size)
    if not dry_run:
        with show_progress("Pushing objects", size, len(lacking)) as meter, explain_unreachable(remote, lacking):
            sent = push_objects(lacking, transport, context, meter.finish_item)
        if transport.unverified:
            boundary.warn(f"not verified on {remote}: {transport.unverified}")
    if sent.objects:
        done = "would push" if dry_run else "pushed"
        boundary.say(f"{done} {pluralize(sent.objects, 'object')}, {humanize_size(sent.bytes)}")
    return sent


def _push_pointers(needed: Mapping[str, ObjectUse], remote: str, url: str, repository: Repository) -> None:
    done = push_pointers(remote, url, object_sizes(needed), repository)
    if done.refusal:
        branch = POINTERS_BRANCH.removeprefix("refs/heads/")
        boundary.say(f"{remote} takes no {POINTERS_REF} ({done.refusal}): its branch {branch} has the pointers")
