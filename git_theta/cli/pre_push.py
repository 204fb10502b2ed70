"""``git theta pre-push``: what the hook runs, so that commits never arrive without the objects they need."""

from __future__ import annotations

import sys

import click

from git_theta.cli import boundary
from git_theta.cli.progress import show_progress
from git_theta.errors import UsageError
from git_theta.operations.keeping.inventory import ObjectUse, needed_objects, object_sizes
from git_theta.repository.index_checks import FAULT_HINT, faults_of_commit
from git_theta.repository.kept_refs import require_refs_kept
from git_theta.repository.opening import open_context
from git_theta.repository.pointers import POINTERS_BRANCH, POINTERS_REF, push_pointers
from git_theta.repository.sharing import PushTotals, open_target, push_objects, refs_there
from git_theta.repository.stored_manifests import read_manifests
from git_theta.vcs import blob_walks, remotes
from git_theta.vcs.discovery import Repository, discover_repository
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
    require_refs_kept([words[2] for words in lines if words[0] == "(delete)"], remote, url, repository)
    tips = [local for local, _ in updates if local.strip("0")]  # zeros: the ref is being deleted
    if not tips:
        return
    for fault in dict.fromkeys(fault for tip in dict.fromkeys(tips) for fault in faults_of_commit(tip)):
        boundary.warn(fault, hint=FAULT_HINT)
    there = [old for _, old in updates if old.strip("0")]
    # What a directory has we can see. Elsewhere we go by the remote-tracking branches, as Git does.
    seen = refs_there(url, repository)
    tracking = remote if seen is None and remote in remotes.remote_urls() else ""
    new = blob_walks.unpushed_blobs([*there, *(seen or ())], tips, tracking=tracking)
    needed = needed_objects(read_manifests(new, boundary.warn_of))
    if needed:
        push_with_progress(needed, remote, url, repository)


def _pushed_ids(words: list[str]) -> tuple[str, str]:
    if len(words) != 4:
        raise UsageError("this command is for Git's pre-push hook, which tells it what is pushed on standard input")
    return words[1], words[3]


def push_with_progress(
    needed: dict[str, ObjectUse], remote: str, url: str, repository: Repository, *, pointers: bool = False
) -> PushTotals:
    """Put on a remote what it lacks of these objects, and pointers of them where it needs them; say so.

    ``pointers``: where it is not known to need them, too.
    """
    total = sum(object_sizes(needed).values())
    with (
        show_progress("Pushing objects", total, len(needed)) as meter,
        open_context(repository, boundary.warn) as context,
        open_target(remote, url, needed, repository, context.store, boundary.warn) as transport,
    ):
        sent = push_objects(needed, transport, context, meter.finish_item)
        pointers = pointers or transport.needs_pointers
        if transport.unverified:
            boundary.warn(f"not verified on {remote}: {transport.unverified}")
    if sent.objects:
        boundary.say(f"pushed {pluralize(sent.objects, 'object')}, {humanize_size(sent.bytes)}")
    if pointers:
        _push_pointers(needed, remote, url, repository)
    return sent


def _push_pointers(needed: dict[str, ObjectUse], remote: str, url: str, repository: Repository) -> None:
    done = push_pointers(remote, url, object_sizes(needed), repository)
    if done.refusal:
        branch = POINTERS_BRANCH.removeprefix("refs/heads/")
        boundary.say(f"{remote} takes no {POINTERS_REF} ({done.refusal}): its branch {branch} has the pointers")
