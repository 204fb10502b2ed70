"""``git theta migrate``: history rewritten, so that checkpoints which Git or git-lfs holds become ours; and back."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.boundary import say, say_hint, warn
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.cli.progress import Meter
from git_theta.cli.push_warning import warn_of_pushes
from git_theta.errors import UsageError
from git_theta.repository.migrating.migration import Migration, apply_migration
from git_theta.repository.migrating.migration_plan import MigrationPlan, MigrationRequest, PlannedFile, plan_migration
from git_theta.repository.migrating.migration_undo import finish_killed, undo_migration
from git_theta.repository.migrating.moved_refs import MovedRef
from git_theta.repository.setup.hook_placing import place_hooks
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.words import escape_unprintable, humanize_size, join_some, list_some, pluralize

_LOST = {"gpgsig": "their signature", "gpgsig-sha256": "their signature", "mergetag": "the tag that they merged"}


def _choosing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What import and export have in common."""
    for option in (
        json_option,
        click.option("--map", "map_file", metavar="FILE", help="Write old and new ids of commits, a pair a line."),
        click.option("-n", "--dry-run", is_flag=True, help="List what would be converted, and write nothing."),
        click.option("--everything", is_flag=True, help="Take all branches and tags."),
        click.option("-X", "--exclude", multiple=True, metavar="GLOB", help="Leave files that match as they are."),
        click.option("-I", "--include", multiple=True, metavar="GLOB", help="Take files that match alone."),
        click.argument("refs", nargs=-1, metavar="[REF]..."),
    ):
        function = option(function)
    return function


@click.group
def command() -> None:
    """Rewrite history: checkpoints that Git or git-lfs holds become manifests; and the way back."""


@command.command("import", short_help="Turn files and pointers into manifests.")
@_choosing_options
@click.option("--fetch", is_flag=True, help="Have git-lfs fetch the objects that are not here.")
def import_history(fetch: bool, map_file: str | None, dry_run: bool, as_json: bool, **asked: Any) -> None:
    """Turn files and git-lfs pointers into manifests.

    In all commits of the current branch, or of each REF (branches and tags). A GLOB is a pattern of .gitattributes,
    from the top; without any, what is tracked now is taken, else checkpoints by their names, where one is large.
    Commits get new ids from the first on that has such a file. Branches and tags follow; undo brings them back.
    """
    _migrate(MigrationRequest("import", **asked), fetch=fetch, map_file=map_file, dry_run=dry_run, as_json=as_json)


@command.command("export", short_help="Turn manifests into files, or pointers.")
@_choosing_options
@click.option(
    "--to", "target", type=click.Choice(["blob", "lfs"]), default="blob", help="What Git is to hold (default blob)."
)
def export_history(target: str, map_file: str | None, dry_run: bool, as_json: bool, **asked: Any) -> None:
    """Turn manifests into the files that they stand for, or into git-lfs pointers.

    In all commits of the current branch, or of each REF (branches and tags). Without a GLOB, all that was ever tracked
    is taken.
    """
    request = MigrationRequest("export", pointers=target == "lfs", **asked)
    _migrate(request, fetch=False, map_file=map_file, dry_run=dry_run, as_json=as_json)


@command.command("undo", short_help="Take the last import or export back.")
@json_option
def undo(as_json: bool) -> None:
    """Have branches and tags point at what they pointed at before the last import or export."""
    repository = discover_repository()
    _finish_killed(repository)
    record, moved = undo_migration(repository)
    if as_json:
        echo_json({"action": "undo", "undone": record.action, "refs": list(map(_describe_move, moved))})
    else:
        echo_line(f"{pluralize(len(moved), 'ref')} moved back: {_name_refs(moved)}")


def _migrate(request: MigrationRequest, *, fetch: bool, map_file: str | None, dry_run: bool, as_json: bool) -> None:
    if request.refs and request.everything:
        raise UsageError("--everything takes all branches and tags already: leave the names out")
    repository = discover_repository()
    _finish_killed(repository)
    plan = plan_migration(request, repository)
    _warn_of_foreign(plan)
    done = None
    if not dry_run:
        done = _apply(plan, repository, fetch=fetch, map_file=Path(map_file) if map_file else None)
    if as_json:
        echo_json(_describe_all(plan, done))
    else:
        _print_plan(plan, dry_run=dry_run)
        if done:
            _print_migration(done, plan)


def _apply(plan: MigrationPlan, repository: Repository, *, fetch: bool, map_file: Path | None) -> Migration:
    meter = Meter()
    what = "Importing" if plan.request.action == "import" else "Exporting"
    with open_context(repository, boundary.warn, meter) as context, meter.show_work(what, plan.total_size):
        done = apply_migration(plan, repository, context, fetch=fetch, map_file=map_file)
    if plan.request.action == "import":
        place_hooks(repository, edits=True)  # git-lfs's is there, most likely
        warn_of_pushes(repository)
    _warn_of_losses(done)
    return done


def _finish_killed(repository: Repository) -> None:
    if finish_killed(repository):
        say("the migration before this one was stopped at its end: index and worktree have followed now")


def _warn_of_foreign(plan: MigrationPlan) -> None:
    if plan.request.action == "import":
        for path, reason, count in plan.list_foreign():
            warn(f"{path}: {pluralize(count, 'version')} stay as they are: {reason}, which this release cannot follow")


def _warn_of_losses(done: Migration) -> None:
    for name, count in done.lost.items():
        warn(f"{pluralize(count, 'commit')} of the new history lost {_LOST.get(name, f'the header {name}')}")
    if done.unsigned:
        names = [name.removeprefix("refs/tags/") for name in done.unsigned]
        warn(
            f"{pluralize(len(names), 'tag')} lost their signature: {join_some(names)}", hint="git tag -f -s signs anew."
        )
    if done.left_behind:
        names = [name.removeprefix("refs/heads/").removeprefix("refs/") for name in done.left_behind]
        warn(
            f"the old history is still in {join_some(names, 5)}",
            hint="Take them along: git theta migrate undo, and this again with --everything.",
        )
    if done.unfiltered:
        warn(
            f"attributes elsewhere keep git-theta from {join_some(done.unfiltered, 5)}",
            hint="git check-attr filter -- FILE; git theta doctor says where they stand.",
        )


def _print_plan(plan: MigrationPlan, *, dry_run: bool) -> None:
    patterns = " ".join(os.fsdecode(pattern) for pattern in plan.chosen.include)
    files = list(plan.list_files())
    versions, size = sum(one.versions for one in files), humanize_size(plan.total_size)
    done = f"to {plan.request.action}" if dry_run else f"{plan.request.action}ed"
    echo_line(
        escape_unprintable(
            f"{patterns}: {pluralize(len(files), 'file')}, {pluralize(versions, 'version')}, {size} {done}"
        )
    )
    for one in list_some(map(_describe_line, files)):
        echo_line(one)


def _describe_line(file: PlannedFile) -> str:
    pointers = f", {pluralize(file.pointers, 'git-lfs pointer')}" if file.pointers else ""
    versions = f"{pluralize(file.versions, 'version')}, {humanize_size(file.size)}{pointers}"
    return f"  {escape_unprintable(file.path)}: {versions}"


def _print_migration(done: Migration, plan: MigrationPlan) -> None:
    rewritten = f"{len(done.commits):,} of {pluralize(plan.survey.commits, 'commit')} rewritten"
    echo_line(f"{rewritten}; moved: {_name_refs(done.moved)}")
    say_hint(f"What they pointed at before is kept below {done.backup}.")
    say_hint("To undo this: git theta migrate undo. To publish it: git push --force-with-lease.")


def _name_refs(moved: list[MovedRef]) -> str:
    return join_some(
        [escape_unprintable(ref.name.removeprefix("refs/heads/").removeprefix("refs/")) for ref in moved], 5
    )


def _describe_move(ref: MovedRef) -> dict[str, str]:
    return {"ref": ref.name, "old": ref.old, "new": ref.new}


def _describe_all(plan: MigrationPlan, done: Migration | None) -> dict[str, Any]:
    """The plan and what was done, as JSON has them."""
    return {
        "action": plan.request.action,
        "dry_run": done is None,
        "include": [os.fsdecode(pattern) for pattern in plan.chosen.include],
        "exclude": [os.fsdecode(pattern) for pattern in plan.chosen.exclude],
        "files": [one._asdict() for one in plan.list_files()],
        "bytes": plan.total_size,
        "commits": plan.survey.commits,
        "rewritten": len(done.commits) if done else None,
        "refs": list(map(_describe_move, done.moved)) if done else None,
        "left_behind": done.left_behind if done else None,
        "backup": done.backup if done else None,
    }
