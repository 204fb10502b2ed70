"""``git theta pre-push``: what the hook runs, so that commits never arrive without the objects they need."""

from __future__ import annotations

import sys

import click

from git_theta.cli import boundary
from git_theta.cli.progress import progress
from git_theta.errors import UsageError
from git_theta.operations.keeping.inventory import Use, needs
from git_theta.operations.keeping.object_push import Sent
from git_theta.repository.sharing import push_objects, unreachable
from git_theta.repository.stored_manifests import read_manifests
from git_theta.vcs import blobs, remotes
from git_theta.vcs.discovery import Repository, discover
from git_theta.words import count, size


@click.command
@click.argument("remote")
@click.argument("url")
def command(remote: str, url: str) -> None:
    """Upload what a push needs; Git's pre-push hook runs this.

    Reads from standard input what Git tells the hook: "LOCAL-REF LOCAL-ID REMOTE-REF REMOTE-ID" per line.
    """
    repository = discover()
    updates = [_ids(line) for line in sys.stdin.buffer.read().splitlines()]
    tips = [local for local, _ in updates if local.strip("0")]  # zeros: the ref is being deleted
    if not tips:
        return
    target = remotes.directory(url, repository.worktree or repository.git_dir)
    there = [old for _, old in updates if old.strip("0")]
    # What a directory has we can see. Elsewhere we go by the remote-tracking branches, as Git does.
    there += blobs.tips(target.git_dir) if target else []
    tracking = remote if target is None and remote in remotes.urls() else ""
    new = blobs.new_to(there, tips, tracking=tracking)
    needed = needs(read_manifests(new, boundary.warn_of))
    if needed and target is None:
        raise unreachable(remote, needed)
    if needed and target:
        push_with_progress(needed, repository, target)


def _ids(line: bytes) -> tuple[str, str]:
    words = line.decode(errors="replace").split(" ")
    if len(words) != 4:
        raise UsageError("this command is for Git's pre-push hook, which tells it what is pushed on standard input")
    return words[1], words[3]


def push_with_progress(needed: dict[str, Use], repository: Repository, target: Repository) -> Sent:
    """Put on a directory remote what it lacks of these objects, and say so."""
    total = sum(use.part.storage.bytes for use in needed.values())
    with progress("Pushing objects", total) as tick:
        sent = push_objects(needed, repository, target, boundary.warn, tick)
    if sent.objects:
        boundary.say(f"pushed {count(sent.objects, 'object')}, {size(sent.bytes)}")
    return sent
