"""``git theta fetch`` and ``git theta pull``: objects that are not here, and the files that wait for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import click

from git_theta.cli import boundary
from git_theta.cli.checkout import check_out_files, list_sizes, say_checked_out
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.cli.progress import Meter
from git_theta.errors import MissingObject, UsageError
from git_theta.globs import path_filter
from git_theta.operations.availability import fetch_hint
from git_theta.operations.keeping.inventory import ObjectUse, object_sizes
from git_theta.repository.sharing.object_selection import RECENT_DAYS, ObjectSelection
from git_theta.repository.stores.opening import open_context
from git_theta.store.base import select_missing
from git_theta.vcs import remotes
from git_theta.vcs.discovery import discover_repository
from git_theta.words import humanize_size, pluralize


class FetchedObjects(NamedTuple):
    """What became of objects that were wanted and not here: oid to size of each, and why remotes did not help.

    Attributes:
        fetched: those that are here now; in a dry run, those that would be fetched.
        lost: those that cannot be had, each with a part that needs it.
        reasons: why each remote that was asked did not help.
    """

    fetched: dict[str, int]
    lost: dict[str, ObjectUse]
    reasons: list[str]

    def summary_json(self) -> dict[str, Any]:
        """The keys that JSON has for it."""
        return {
            "objects": len(self.fetched),
            "bytes": sum(self.fetched.values()),
            "missing": [
                {"object": oid, "path": use.path, "parameter": use.part.name} for oid, use in self.lost.items()
            ],
        }

    def require_all(self) -> None:
        """Raise MissingObject where something cannot be had."""
        if self.lost:
            first, use = next(iter(self.lost.items()))
            raise MissingObject(
                f"{pluralize(len(self.lost), 'object')} cannot be had, {first} first",
                hint=f"{fetch_hint(self.reasons)}\nWhere a remote has commits alone: git theta push",
                path=use.path,
                parameter=use.part.name or "",
            )


def _path_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that choose files."""
    exclude = click.option("-X", "--exclude", multiple=True, metavar="GLOB", help="Leave files that match out.")
    include = click.option("-I", "--include", multiple=True, metavar="GLOB", help="Take files that match alone.")
    return include(exclude(function))


@click.command
@click.argument("remote", default="")
@click.argument("revisions", nargs=-1, metavar="[REVISION]...")
@click.option("--all", "everything", is_flag=True, help="Take every version that anything reaches.")
@click.option(
    "--recent", is_flag=True, help=f"Take branches and tags of the last {RECENT_DAYS} days as well, as they are now."
)
@_path_options
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="GLOB", help="Take these parameters alone.")
@click.option("-n", "--dry-run", is_flag=True, help="Ask nobody, and say what would be asked for.")
@json_option
def fetch(remote: str, revisions: tuple[str, ...], dry_run: bool, as_json: bool, **chosen: Any) -> None:
    """Bring objects here.

    Those that the files of HEAD need, or of each REVISION; of a range, those of all versions in it. A checkout fetches
    what it needs by itself: this is for what comes later, or offline. REMOTE alone is asked, where it is named; else
    the branch's own first, then the others. What has arrived stays when the rest fails.
    """
    if chosen["everything"] and (revisions or chosen["recent"]):
        raise UsageError("--all takes every version already: leave --recent and the revisions out")
    _require_source(remote, "A revision comes behind the remote.")
    found = fetch_selected(ObjectSelection(revisions, **chosen), remote, dry_run=dry_run)
    if as_json:
        echo_json({"dry_run": dry_run, **found.summary_json()})
    else:
        done = "would be fetched" if dry_run else "fetched"
        echo_line(f"{pluralize(len(found.fetched), 'object')} {done}, {humanize_size(sum(found.fetched.values()))}")
    found.require_all()


@click.command
@click.argument("remote", default="")
@_path_options
@json_option
def pull(remote: str, include: tuple[str, ...], exclude: tuple[str, ...], as_json: bool) -> int:
    """Bring the objects of HEAD here, and materialise the manifests that stand in the worktree.

    For a clone that was made with GIT_THETA_SKIP_SMUDGE=1, or when objects could not be had. No commit comes along:
    that is `git pull`. What cannot be had is reported, and the rest goes on.
    """
    _require_source(remote)
    found = fetch_selected(ObjectSelection(include=include, exclude=exclude), remote)
    done = check_out_files(remote=remote, wanted=path_filter(include, exclude))
    if as_json:
        echo_json({**found.summary_json(), "files": list_sizes(done.sizes)})
    else:
        echo_line(f"{pluralize(len(found.fetched), 'object')} fetched, {humanize_size(sum(found.fetched.values()))}")
        say_checked_out(done.sizes)
    if not done.code:
        found.require_all()
    return done.code


def fetch_selected(selection: ObjectSelection, remote: str, *, dry_run: bool = False) -> FetchedObjects:
    """Fetch what is selected and not here, from a remote, or from all in turn where it is ""."""
    repository = discover_repository()
    needed = selection.find_objects(boundary.warn_of)
    if not needed and (selection.include or selection.exclude or selection.parameters):
        boundary.warn("nothing that is versioned matches", hint="What there is: git theta ls-files --parameters")
    sizes = object_sizes(needed)
    with open_context(repository, boundary.warn, Meter(), remote=remote) as context:
        missing = select_missing(sizes, context.store)
        if dry_run or not missing:
            return FetchedObjects(missing, {}, [])
        reasons = context.fetch(missing)
        left = select_missing(missing, context.store)
    fetched = {oid: size for oid, size in missing.items() if oid not in left}
    return FetchedObjects(fetched, {oid: needed[oid] for oid in left}, reasons)


def _require_source(remote: str, advice: str = "") -> None:
    """Raise UsageError for what is neither a remote nor a URL, GitError outside of a repository."""
    discover_repository()
    names = remotes.remote_urls() if remote else {}
    if remote and remote not in names and not any(letter in remote for letter in ":/"):
        remotes.refuse_unknown(remote, names, advice)
