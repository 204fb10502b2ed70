"""``git theta pre-push``: what the hook runs, so that commits never arrive without the objects they need."""

from __future__ import annotations

import sys

import click

from git_theta.cli import boundary
from git_theta.cli.boundary import say
from git_theta.cli.fsck import held
from git_theta.cli.progress import progress
from git_theta.errors import TransportError, UsageError
from git_theta.operations.fsck import Use
from git_theta.operations.push import Sent, needs, push
from git_theta.repository.opening import open_desk, open_store
from git_theta.transport.directory import DirectoryTransport
from git_theta.vcs import history, remotes
from git_theta.vcs.repository import Repository, discover
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
    there += history.tips(target.git_dir) if target else []
    tracking = remote if target is None and remote in remotes.urls() else ""
    new = history.new_to(there, tips, tracking=tracking)
    needed = needs(held(new))
    if needed and target is None:
        raise unreachable(remote, needed)
    if needed and target:
        push_objects(needed, repository, target)


def push_objects(needed: dict[str, Use], repository: Repository, target: Repository) -> Sent:
    """Put on a directory remote what it lacks of these objects; tells how many that were."""
    store = open_store(repository)
    total = sum(use.part.storage.bytes for use in needed.values())
    with progress("Pushing objects", total) as tick, open_desk(repository, boundary.warn) as desk:
        transport = DirectoryTransport(store, target.theta_dir, target.alternates(), tick)
        sent = push(needed, store, transport.lacking, transport.push, desk.fetch)
    if sent.objects:
        say(f"pushed {count(sent.objects, 'object')}, {size(sent.bytes)}")
    return sent


def _ids(line: bytes) -> tuple[str, str]:
    words = line.decode(errors="replace").split(" ")
    if len(words) != 4:
        raise UsageError("this command is for Git's pre-push hook, which tells it what is pushed on standard input")
    return words[1], words[3]


def unreachable(remote: str, needed: dict[str, Use]) -> TransportError:
    """The error of a push that needs objects where this release cannot put them."""
    paths = sorted({use.path for use in needed.values()})
    rest = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    total = size(sum(use.part.storage.bytes for use in needed.values()))
    return TransportError(
        f"this release shares objects with directory remotes only (a path, or file://), and {remote} is none: "
        f"{count(len(needed), 'object')}, {total}, stay here, of {', '.join(paths[:3])}{rest}. Nothing was pushed.",
        hint="Push to a repository in a folder that both sides reach. `git push --no-verify` pushes the commits alone, "
        "which nobody can check out without these objects.",
    )
