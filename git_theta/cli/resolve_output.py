"""What is said of one conflict: what was settled, what is left, and what helps with that."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from git_theta.cli import boundary
from git_theta.cli.across_files import warn_contested_as_one
from git_theta.cli.listing import display_path, echo_line
from git_theta.operations.merging.conflict_list import describe_left
from git_theta.operations.merging.frame_keys import FRAME_LABEL
from git_theta.operations.merging.merge_remarks import describe_remarks
from git_theta.operations.merging.merge_results import MergeResult
from git_theta.repository.merging.checkpoint_conflicts import CheckpointConflict
from git_theta.repository.merging.take_checkpoint import TakenCheckpoint
from git_theta.vcs.merges.unmerged import UnmergedFile
from git_theta.words import escape_unprintable, list_some, pluralize

Settled = MergeResult | TakenCheckpoint | None
"""What came of a conflict: by parameters, or of a checkpoint as one; None where it is left to Git."""

_WHOLE_FILE = "not a conflict by parameters"
_SIDE_HINT = "Take a side, then stage it: git checkout --ours (or --theirs) -- {0}; git add {0}. Or: git rm {0}"
_REMOVED_HINT = (
    "One side removed it. To keep it: git checkout --{1} -- {0}; git add {0}. To have it removed: git rm {0}"
)


def print_settled(path: str, merged: Settled) -> None:
    """Say what came of a conflict; ``path``: as it is shown."""
    path = escape_unprintable(path)
    if merged is None:
        echo_line(f"{path}: {_WHOLE_FILE}")
        return
    if isinstance(merged, TakenCheckpoint):
        what = f"{'removed, as' if merged.removed else 'as it is'} at {merged.side}; staged"
        echo_line(f"{path}: {what if merged.side else 'contested as one'}")
        return
    for applied in merged.applied:
        for note in () if applied.decision.group else applied.report.notes:
            boundary.warn(f"{path}: {applied.decision.name or FRAME_LABEL}: {note}")
    for remark in describe_remarks(merged):
        boundary.warn(f"{path}: {remark}")
    settled = f"{len(merged.applied)} settled"
    if not merged.left:
        echo_line(f"{path}: {settled}, nothing left; staged")
        return
    echo_line(f"{path}: {settled}, {pluralize(len(merged.left), 'contested parameter')} left")
    for line in list_some(describe_left(merged.left), rest=": git theta status --json"):
        echo_line(line)


def advise_sides(conflict: UnmergedFile | CheckpointConflict, merged: Settled, top: Path) -> None:
    """What helps with what was not settled by parameters: also where one side has none."""
    if isinstance(conflict, CheckpointConflict):
        if isinstance(merged, TakenCheckpoint) and not merged.side:
            warn_contested_as_one(conflict.item)
    elif merged is None:
        _advise_file(conflict, top)


def _advise_file(file: UnmergedFile, top: Path) -> None:
    path, (_, ours, theirs) = shlex.quote(display_path(file.path, top)), file.oids
    if ours and theirs:
        boundary.say_hint(_SIDE_HINT.format(path))
        return
    boundary.say_hint(_REMOVED_HINT.format(path, "ours" if ours else "theirs"))


def settled_json(path: str, merged: Settled) -> dict[str, Any]:
    """What came of a conflict, as data."""
    if not isinstance(merged, MergeResult):
        side = merged.side if merged else ""
        by_side: dict[str, Any] = {"staged": bool(side), "taken": side or None, "settled": [], "left": []}
        return {"path": path, "by_parameters": False, **by_side}
    return {
        "path": path,
        "taken": None,
        "by_parameters": True,
        "staged": not merged.left,
        "settled": [
            {
                "names": list(one.decision.names),
                "strategy": one.choice.strategy,
                "options": dict(one.choice.options),
                "notes": list(one.report.notes),
            }
            for one in merged.applied
        ],
        "left": [
            {"names": list(one.decision.names), "state": one.decision.state.value, "reason": one.reason or None}
            for one in merged.left
        ],
    }
