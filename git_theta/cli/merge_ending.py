"""What becomes of a merge that was made: it is told, held to its gates, and committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from git_theta.cli import boundary, report_file
from git_theta.cli.eval_json import comparisons_json
from git_theta.cli.gate_questions import GateOptions, ask_gates
from git_theta.cli.listing import echo_json
from git_theta.operations.merging.merge_report import VERSION, Record
from git_theta.repository.evaluating.version_comparison import VersionComparison
from git_theta.repository.merging.merge_request import MergeInputs
from git_theta.repository.merging.merged_checkpoints import ManyMerged
from git_theta.repository.merging.whole_merges import note_merge
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import resolve_head
from git_theta.vcs.merges import git_merge
from git_theta.words import list_some, pluralize

_NO_CONFLICTS = """\
Conflicts of more than two heads cannot be left in the index: nothing was changed.
Choose a strategy for all of them (-s average, ties ...; --for), or merge one head after another."""


class Ending(NamedTuple):
    """What becomes of a merge that was made: the commit's message, whether there is one, where and how it is told.

    ``print_data``: told the result, with ``as_json``.
    """

    message: str | None = None
    commit: bool = True
    report: Path | None = None
    as_json: bool = False
    gates: GateOptions = GateOptions()
    print_data: Callable[[Any], object] = echo_json


def finish_merge(merged: ManyMerged, made: MergeInputs, repository: Repository, ending: Ending) -> int:
    """Commit what was merged at once; the exit code: 1, with nothing changed, where anything is contested."""
    gates: tuple[VersionComparison, ...] = ()
    if ending.report:
        report_file.write_report(ending.report, merged.records)
    if merged.conflicts:
        boundary.say(
            f"{pluralize(len(merged.conflicts), 'conflict')}:", *list_some(f"  {one}" for one in merged.conflicts)
        )
        boundary.say_hint(_NO_CONFLICTS)
        code = 1
    elif ending.commit:
        note_merge(repository)
        code, gates = commit_judged(made, merged.records, repository, ending)
    else:
        say_uncommitted()
        code = 0
    if ending.as_json:
        done = ending.commit and not code
        print_result(merged.records, merged.conflicts, repository, ending, committed=done, gates=gates)
    return code


def say_uncommitted() -> None:
    """Say that a merge waits for its commit because somebody asked for that."""
    boundary.say("merged, and not committed as requested")
    boundary.say_hint("Commit it: git commit. Or give it up: git merge --abort")


def commit_judged(
    made: MergeInputs, records: Sequence[Record], repository: Repository, ending: Ending
) -> tuple[int, tuple[VersionComparison, ...]]:
    """Commit the merge where its gates hold; the exit code, and what was compared for them. The report is told."""
    answer = ask_gates(made.heads, ending.gates, repository, quiet=ending.as_json)
    if ending.report and answer.compared:
        report_file.write_report(ending.report, records, evaluated=True)
    code = git_merge.commit_merge(repository, quiet=ending.as_json) if answer.passed else 1
    return code, answer.compared


def print_result(
    records: Sequence[Record],
    conflicts: Sequence[str],
    repository: Repository,
    ending: Ending,
    *,
    committed: bool,
    gates: Sequence[VersionComparison] = (),
) -> None:
    """The merge as JSON: the report, what is in conflict, and HEAD where the merge is all in it."""
    head = resolve_head("HEAD", repository.worktree).commit if committed else None
    judged = {"evaluations": comparisons_json(gates)["comparisons"]} if gates else {}
    ending.print_data(
        {"version": VERSION, "commit": head, "conflicts": list(conflicts), "files": list(records)} | judged
    )
