"""``git theta merge --plan``: what a merge would do, on ids, with a look at values; nothing is touched."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, echo_line
from git_theta.cli.progress import Meter
from git_theta.errors import ThetaError
from git_theta.merging.planning.decisions import BASE
from git_theta.merging.planning.plan_json import plan_json
from git_theta.merging.planning.plan_rendering import Sums, render_plan
from git_theta.operations.context import Context, Progress
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.foreseen_merge import ForeseenMerge
from git_theta.operations.merging.measured_changes import are_jobs_here, count_measured_bytes, measure_jobs
from git_theta.operations.merging.nonfinite import nonfinite_counter
from git_theta.repository.clustering.clusters import reach_cluster
from git_theta.repository.merging.foreseen_files import foresee_files
from git_theta.repository.merging.merge_request import MergeInputs
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.discovery import Repository


class MeasuredFile(NamedTuple):
    """A file as a merge will leave it, and what was measured of what its changes become."""

    foreseen: ForeseenMerge
    sums: Sums


def print_plan(
    made: MergeInputs, found: Sequence[FilePlan], repository: Repository, asked: MergeOptions, *, as_data: bool
) -> None:
    """Print the plan of every checkpoint, as text or JSON."""
    progress = Meter()
    with (
        open_context(repository, boundary.warn, progress) as opened,
        reach_cluster(asked.cluster, repository, opened) as context,
    ):
        foreseen = foresee_files(made, found, asked, repository.worktree, context)
        measured = [MeasuredFile(one, _measure(one, made, context, progress)) for one in foreseen]
        _print_files(made, measured, context, as_data=as_data)


def _measure(foreseen: ForeseenMerge, made: MergeInputs, context: Context, progress: Progress) -> Sums:
    """What the strategies will make of the changes; nothing, with a word, where that cannot be, or goes wrong.

    A plan fetches nothing; and of a part of the weights it would say nothing about the whole.
    """
    path = foreseen.item.path
    if not are_jobs_here(foreseen.jobs, context):
        named = " ".join(shlex.quote(one.name) for one in (*made.heads, *([made.base] if made.base else [])))
        hint = f"Get them: git theta fetch REMOTE {named}"
        boundary.warn(f"{path}: changes are not measured: not all values are here", hint=hint)
        return {}
    try:
        with progress.show_work(f"Measuring {path}", count_measured_bytes(foreseen.jobs)):
            return measure_jobs(foreseen.jobs, context)
    except ThetaError as error:
        context.warn(str(error.add_location(path=path)))
        return {}


def _print_files(made: MergeInputs, found: Sequence[MeasuredFile], context: Context, *, as_data: bool) -> None:
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
        echo_line("no checkpoint is to be merged")
    for one in found:
        item = one.foreseen.item
        echo_line(item.path)
        if item.was and not (item.plan is None and item.source is None):
            echo_line(f"  renamed from {item.was}")
        for line in _render_case(made, one, context):
            echo_line(f"  {line}")


def _render_case(made: MergeInputs, one: MeasuredFile, context: Context) -> list[str]:
    item, choose = one.foreseen.item, one.foreseen.choose
    if item.plan:
        count = nonfinite_counter(item.plan, choose, one.sums, context)
        return render_plan(item.plan, choose, count, one.foreseen.left, one.sums).splitlines()
    if item.source is None:
        return [f"contested as a file: {item.reason}"]
    return [f"{item.reason}: {_describe_outcome(made, item)}"]


def _describe_outcome(made: MergeInputs, item: FilePlan) -> str:
    assert item.source is not None
    return f"as at {_head_label(made, item.source)}" if item.version_at(item.source) else "removed"


def _case_json(made: MergeInputs, one: MeasuredFile, context: Context) -> dict[str, Any]:
    item, plan = one.foreseen.item, None
    if item.plan:
        count = nonfinite_counter(item.plan, one.foreseen.choose, one.sums, context)
        plan = plan_json(item.plan, one.foreseen.choose, count, one.foreseen.left, one.sums)
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
