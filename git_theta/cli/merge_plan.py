"""``git theta merge --plan``: what a merge would do, on ids alone; nothing is touched, and torch is not needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from git_theta.cli.listing import echo_json
from git_theta.merging.decisions import BASE
from git_theta.merging.plan_rendering import plan_json, render_plan
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.merge_results import Choose
from git_theta.repository.merge_request import MergeInputs, chooser_of
from git_theta.repository.policy_sources import MergeOptions
from git_theta.words import escape_unprintable


def print_plan(made: MergeInputs, found: Sequence[FilePlan], top: Path, asked: MergeOptions, *, as_data: bool) -> None:
    """Print the plan of every checkpoint, as text or JSON."""
    if as_data:
        heads = [{"name": head.name, "commit": head.commit} for head in made.heads]
        base = made.base.commit if made.base else None
        echo_json(
            {
                "heads": heads,
                "base": base,
                "files": [_case_json(made, item, chooser_of(item, top, asked)) for item in found],
            }
        )
        return
    if not found:
        click.echo("no checkpoint is to be merged")
    for item in found:
        click.echo(escape_unprintable(item.path))
        if item.was and not (item.plan is None and item.source is None):
            click.echo(f"  renamed from {escape_unprintable(item.was)}")
        for line in _render_case(made, item, chooser_of(item, top, asked)):
            click.echo(f"  {escape_unprintable(line)}")


def _render_case(made: MergeInputs, item: FilePlan, choose: Choose) -> list[str]:
    if item.plan:
        return render_plan(item.plan, choose).splitlines()
    if item.source is None:
        return [f"contested as a file: {item.reason}"]
    return [f"{item.reason}: {_describe_outcome(made, item)}"]


def _describe_outcome(made: MergeInputs, item: FilePlan) -> str:
    assert item.source is not None
    return f"as at {_head_label(made, item.source)}" if item.version_at(item.source) else "removed"


def _case_json(made: MergeInputs, item: FilePlan, choose: Choose) -> dict[str, Any]:
    plan = plan_json(item.plan, choose) if item.plan else None
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
