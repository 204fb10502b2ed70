"""``git theta merge --plan``: what a merge would do, on ids, with a look for scales and NaNs; nothing is touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json
from git_theta.merging.decisions import BASE
from git_theta.merging.plan_rendering import plan_json, render_plan
from git_theta.operations.context import Context
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.foreseen_merge import ForeseenMerge
from git_theta.operations.merging.nonfinite import nonfinite_counter
from git_theta.repository.merging.foreseen_files import foresee_files
from git_theta.repository.merging.merge_request import MergeInputs
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.discovery import Repository
from git_theta.words import escape_unprintable


def print_plan(
    made: MergeInputs, found: Sequence[FilePlan], repository: Repository, asked: MergeOptions, *, as_data: bool
) -> None:
    """Print the plan of every checkpoint, as text or JSON."""
    with open_context(repository, boundary.warn) as context:
        foreseen = foresee_files(made, found, asked, repository.worktree, context)
        _print_files(made, foreseen, context, as_data=as_data)


def _print_files(made: MergeInputs, found: Sequence[ForeseenMerge], context: Context, *, as_data: bool) -> None:
    if as_data:
        heads = [{"name": head.name, "commit": head.commit} for head in made.heads]
        base = made.base.commit if made.base else None
        echo_json(
            {
                "heads": heads,
                "base": base,
                "files": [_case_json(made, one, context) for one in found],
            }
        )
        return
    if not found:
        click.echo("no checkpoint is to be merged")
    for foreseen in found:
        item = foreseen.item
        click.echo(escape_unprintable(item.path))
        if item.was and not (item.plan is None and item.source is None):
            click.echo(f"  renamed from {escape_unprintable(item.was)}")
        for line in _render_case(made, foreseen, context):
            click.echo(f"  {escape_unprintable(line)}")


def _render_case(made: MergeInputs, foreseen: ForeseenMerge, context: Context) -> list[str]:
    item, left, choose = foreseen
    if item.plan:
        return render_plan(item.plan, choose, nonfinite_counter(item.plan, choose, context), left).splitlines()
    if item.source is None:
        return [f"contested as a file: {item.reason}"]
    return [f"{item.reason}: {_describe_outcome(made, item)}"]


def _describe_outcome(made: MergeInputs, item: FilePlan) -> str:
    assert item.source is not None
    return f"as at {_head_label(made, item.source)}" if item.version_at(item.source) else "removed"


def _case_json(made: MergeInputs, foreseen: ForeseenMerge, context: Context) -> dict[str, Any]:
    item, left, choose = foreseen
    plan = plan_json(item.plan, choose, nonfinite_counter(item.plan, choose, context), left) if item.plan else None
    state = "parameters" if item.plan else "contested" if item.source is None else "taken"
    take = None if item.source is None else _head_label(made, item.source)
    return {
        "path": item.path,
        "renamed_from": item.was or None,
        "merged": state,
        "take": take,
        "reason": item.reason or None,
        "plan": plan,
    }


def _head_label(made: MergeInputs, source: int) -> str:
    return "base" if source == BASE else made.labels[source]
