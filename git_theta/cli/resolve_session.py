"""Conflicts settled one after another, whatever fails, and what is said of all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from git_theta.cli import boundary
from git_theta.cli.listing import display_path, echo_json, echo_line
from git_theta.cli.resolve_output import Settled, advise_sides, print_settled, settled_json
from git_theta.errors import ThetaError
from git_theta.globs import name_matcher
from git_theta.operations.merging.frame_keys import FRAME_LABEL
from git_theta.operations.merging.merge_report import TRAILER
from git_theta.operations.merging.merge_results import MergeResult
from git_theta.operations.merging.settled_trailers import add_up_trailers
from git_theta.repository.merging.checkpoint_conflicts import CheckpointConflict
from git_theta.repository.merging.settling import ErrorReporter
from git_theta.repository.merging.take_checkpoint import TakenCheckpoint
from git_theta.vcs.discovery import Repository
from git_theta.vcs.merges import git_merge
from git_theta.vcs.merges.unmerged import UnmergedFile

_SETTLE_HINT = "Settle them: git theta resolve -s STRATEGY, or --ours, --theirs, --base, -i; --only GLOB for some"
Settle = Callable[[UnmergedFile | CheckpointConflict, ErrorReporter], Settled]
"""Settles a conflict as it was asked for."""


def settle_all(
    conflicts: Sequence[UnmergedFile | CheckpointConflict],
    settle: Settle,
    only: Sequence[str],
    repository: Repository,
    top: Path,
    as_json: bool,
) -> int:
    """Settle what can be; what fails is reported, the rest goes on. The exit code: of the first error, 1, or 0."""
    tally = _Tally()
    for conflict in conflicts:
        try:
            merged = settle(conflict, tally.report_error)
        except ThetaError as error:
            tally.report_error(error.add_location(path=conflict.path))
            continue
        tally.count_settled(conflict, merged)
        if not as_json:
            print_settled(display_path(conflict.path, top), merged)
            advise_sides(conflict, merged, top)
    _warn_of_idle_globs(() if tally.codes else only, tally.names)
    if tally.merged and git_merge.is_merging(repository):
        git_merge.change_trailers(repository, TRAILER, lambda said: add_up_trailers(said, tally.merged))
    if as_json:
        echo_json({"files": tally.reports})
    elif not conflicts:
        echo_line("no file in conflict")
    elif tally.is_contested:
        boundary.say_hint(_SETTLE_HINT)
    return next(iter(tally.codes), int(tally.is_left))


class _Tally:
    """What came of all conflicts.

    Attributes:
        codes: exit codes of what failed.
        reports: what ``--json`` shows.
        merged: what was merged by parameters, by its path.
        names: what was contested, by the names that ``--only`` is about.
        is_contested: whether parameters are left that a strategy could settle.
        is_left: whether anything is.
    """

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.reports: list[dict[str, Any]] = []
        self.merged: dict[str, MergeResult] = {}
        self.names: list[str] = []
        self.is_contested = self.is_left = False

    def report_error(self, error: ThetaError) -> None:
        """Say what failed."""
        self.codes.append(boundary.report_error(error))

    def count_settled(self, conflict: UnmergedFile | CheckpointConflict, merged: Settled) -> None:
        """What became of one conflict, wholly or in part."""
        if isinstance(merged, MergeResult):
            self.is_contested = self.is_contested or bool(merged.left)
            self.merged[conflict.path] = merged
        has_no_side = isinstance(merged, TakenCheckpoint) and not merged.side
        self.is_left = self.is_left or self.is_contested or not merged or has_no_side
        self.reports.append(settled_json(conflict.path, merged))
        self.names += _names_asked(merged)


def _names_asked(merged: Settled) -> list[str]:
    """What was contested, settled now or not, by the names that ``--only`` is about."""
    if not isinstance(merged, MergeResult):
        return [FRAME_LABEL] if merged else []
    decisions = (item.decision for items in (merged.applied, merged.left) for item in items)
    return [name for decision in decisions for name in decision.names or (FRAME_LABEL,)]


def _warn_of_idle_globs(only: Sequence[str], names: Sequence[str]) -> None:
    for glob in only if names else ():
        if not any(map(name_matcher([glob]), names)):
            boundary.warn(f"--only {glob}: nothing that is contested is called so")
