"""``git theta gc``: delete the objects of this repository that nothing needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import click

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.cli.progress import show_progress
from git_theta.operations.keeping.collection import RESULT_DAYS, CollectionPlan, UnneededObject
from git_theta.repository.keeping import garbage_collection
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.config import parse_expiry
from git_theta.vcs.discovery import discover_repository
from git_theta.words import humanize_size, pluralize


class CollectedGarbage(NamedTuple):
    """What became of the objects here.

    Attributes:
        plan: what there was.
        deleted: those that are gone; in a dry run, that would be.
        unproven: those that a remote was asked about, and has not got.
    """

    plan: CollectionPlan
    deleted: Sequence[UnneededObject]
    unproven: Sequence[UnneededObject]


@click.command
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@click.option("--grace", default="2.weeks", metavar="AGE", help="Keep what is younger (default 2.weeks).")
@click.option(
    "--verify-remote",
    "remote",
    is_flag=False,
    flag_value="origin",
    metavar="[REMOTE]",
    help="Delete only what a remote (origin) has.",
)
@click.option("--forget-merges", is_flag=True, help="Delete what merges computed and nothing recorded, too.")
@click.option("-v", "--verbose", is_flag=True, help="List the objects.")
@json_option
def command(dry_run: bool, grace: str, remote: str | None, forget_merges: bool, verbose: bool, as_json: bool) -> None:
    """Delete objects that nothing here needs.

    No ref, reflog, stash, index or worktree, nothing that is under way, no open conflict and no pointer needs them, and
    they are older than AGE. Deletes nothing when a manifest cannot be read. Whether other repositories borrow objects
    from this one (git clone --shared) cannot be told: see that none does.
    """
    done = _collect(grace, remote, dry_run=dry_run, forget_merges=forget_merges)
    if as_json:
        echo_json(_describe_json(done, dry_run=dry_run))
        return
    for one in done.deleted if verbose else ():
        stored = datetime.fromtimestamp(one.stored_at).astimezone().date()
        echo_line(one.oid, humanize_size(one.size), str(stored))
    echo_line(f"{_describe_count(done.deleted)} {'would be ' if dry_run else ''}deleted")
    for line in _describe_rest(done, remote):
        echo_line(line)


def _collect(grace: str, remote: str | None, *, dry_run: bool, forget_merges: bool) -> CollectedGarbage:
    repository = discover_repository()
    garbage_collection.require_no_borrowers(repository)
    moment = garbage_collection.choose_moment(parse_expiry(grace), repository, dry_run=dry_run)
    with open_context(repository, boundary.warn) as context:
        plan = garbage_collection.plan_garbage(
            repository, context, moment, complete=remote is None, forget_merges=forget_merges
        )
        chosen = plan.garbage
        if remote is not None:
            chosen = garbage_collection.select_proven(plan.garbage, remote, repository, context, boundary.warn)
        ids = {one.oid for one in chosen}
        unproven = [one for one in plan.garbage if one.oid not in ids]
        if dry_run:
            return CollectedGarbage(plan, chosen, unproven)
        with show_progress("Deleting objects", sum(one.size for one in chosen), len(chosen)) as meter:
            deleted = garbage_collection.collect_garbage(chosen, moment, context, meter, forget_merges=forget_merges)
        return CollectedGarbage(plan, deleted, unproven)


def _describe_rest(done: CollectedGarbage, remote: str | None) -> Iterator[str]:
    """A line for each reason why what nothing needs stays; and one for what is needed."""
    if done.unproven:
        yield f"{_describe_count(done.unproven)} kept: {remote} lacks them"
    if done.plan.young:
        yield f"{_describe_count(done.plan.young)} kept: too young (--grace)"
    if done.plan.remembered:
        words = f"merges computed them in the last {RESULT_DAYS} days (--forget-merges)"
        yield f"{_describe_count(done.plan.remembered)} kept: {words}"
    yield f"{pluralize(done.plan.needed, 'object')}, {humanize_size(done.plan.needed_bytes)}, needed"


def _describe_count(objects: Sequence[UnneededObject]) -> str:
    return f"{pluralize(len(objects), 'object')}, {humanize_size(sum(one.size for one in objects))},"


def _describe_json(done: CollectedGarbage, *, dry_run: bool) -> dict[str, Any]:
    plan = done.plan
    return {
        "dry_run": dry_run,
        "deleted": _group_json(done.deleted),
        "unproven": _group_json(done.unproven),
        "young": _group_json(plan.young),
        "remembered": _group_json(plan.remembered),
        "needed": {"objects": plan.needed, "bytes": plan.needed_bytes},
    }


def _group_json(objects: Sequence[UnneededObject]) -> dict[str, Any]:
    return {
        "objects": len(objects),
        "bytes": sum(one.size for one in objects),
        "ids": sorted(one.oid for one in objects),
    }
