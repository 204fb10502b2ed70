"""``git theta prune``: let a host free the space of versions that no ref holds any more."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, json_option
from git_theta.errors import UsageError
from git_theta.repository.pointer_thinning import ThinningPlan, plan_thinning, thin_pointers
from git_theta.transport.urls import redact_url
from git_theta.vcs import remotes
from git_theta.vcs.config import parse_expiry
from git_theta.vcs.discovery import discover_repository
from git_theta.words import humanize_size, pluralize


@click.command
@click.option("--remote", is_flag=False, flag_value="origin", metavar="[REMOTE]", help="Whose pointers (origin).")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be dropped, and drop nothing.")
@click.option("--expire", default="2.weeks.ago", metavar="DATE", help="Keep what is younger (default 2.weeks.ago).")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
def command(remote: str | None, dry_run: bool, expire: str, yes: bool, as_json: bool) -> None:
    """Drop a remote's pointers of versions that none of its refs holds any more.

    Its host then frees the space when it collects garbage. Asks before it drops anything. No object is deleted, there
    or here, where git theta gc does that.
    """
    if remote is None:
        raise UsageError(
            "prune drops pointers of a remote, and is told of which one",
            hint="A remote: git theta prune --remote\nObjects here that nothing needs: git theta gc",
        )
    repository = discover_repository()
    moment = parse_expiry(expire)
    told = []
    for url in remotes.require_push_urls(remote):
        plan = plan_thinning(remote, url, moment, repository)
        if not as_json:
            click.echo(_describe_plan(remote, plan))
        dropped = plan.dropped
        if dropped and not dry_run:
            _require_word(f"Drop {pluralize(len(dropped), 'pointer')} on {remote}?", yes)
            dropped = thin_pointers(remote, url, moment, repository, dropped.keys())
            boundary.say(f"dropped {pluralize(len(dropped), 'pointer')}; the host frees the space when it cleans up")
        told.append(_describe_json(url, plan, dropped, done=not dry_run))
    if as_json:
        echo_json(told)


def _describe_plan(remote: str, plan: ThinningPlan) -> str:
    dropped, kept = plan.dropped, plan.kept
    if not dropped and not kept:
        return f"{remote} has no pointers: there is nothing to drop"
    young = len(kept.keys() - plan.needed.keys())
    aside = f", {young:,} of them for their age alone" if young else ""
    return (
        f"{remote} has {pluralize(len(dropped) + len(kept), 'pointer')}: "
        f"{len(kept):,} stay ({humanize_size(sum(kept.values()))}{aside}), "
        f"{len(dropped):,} that no ref needs would go ({humanize_size(sum(dropped.values()))})"
    )


def _describe_json(url: str, plan: ThinningPlan, dropped: Mapping[str, int], *, done: bool) -> dict[str, Any]:
    kept = plan.kept
    return {
        "url": redact_url(url),
        "done": done,
        "dropped": {"pointers": len(dropped), "bytes": sum(dropped.values()), "objects": sorted(dropped)},
        "kept": {
            "pointers": len(kept),
            "bytes": sum(kept.values()),
            "young": len(kept.keys() - plan.needed.keys()),
        },
    }


def _require_word(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody is here to be asked", hint="Say so beforehand: --yes. What it would do: --dry-run")
    click.confirm(question, abort=True, err=True)
