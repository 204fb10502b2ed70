"""``git theta status``: which tracked files are materialised, missing objects, or in conflict."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from git_theta.cli import boundary
from git_theta.cli.listing import (
    display_path,
    echo_json,
    echo_line,
    echo_record,
    json_option,
    nul_option,
    require_worktree,
)
from git_theta.cli.pathspec_argument import pathspecs_argument
from git_theta.errors import ManifestError, UsageError
from git_theta.merging.planning.plan import Plan
from git_theta.operations.keeping.file_states import FileState, FileStatus, TrackedFile, sum_sizes, survey_file
from git_theta.operations.merging.conflict_list import describe_names
from git_theta.operations.merging.frame_keys import FRAME_LABEL
from git_theta.plugin_guard import PluginId
from git_theta.repository.comparing.index_checks import faults_of_index
from git_theta.repository.index.chosen_formats import find_unlike_layouts
from git_theta.repository.index.tracked_files import find_case_misses, list_tracked, warn_unmatched
from git_theta.repository.merging.checkpoint_conflicts import CheckpointConflict, find_checkpoint_conflicts
from git_theta.repository.merging.open_conflicts import find_conflicted, read_conflict
from git_theta.repository.setup.needed_plugins import find_lacking_plugins
from git_theta.repository.stores.object_stores import open_store
from git_theta.vcs.discovery import Repository
from git_theta.words import humanize_size, join_some, list_some, pluralize

_STATE_HINTS = {
    FileState.MANIFEST: "`git theta checkout` puts the file in its place",
    FileState.MISSING: "`git theta checkout` fetches them, if a remote has them",
    FileState.CONFLICT: "`git theta resolve` settles contested parameters; `git add` records the file as it is",
    FileState.RAW: "`git add --renormalize` stores it by parameters",
}


@click.command
@pathspecs_argument()
@json_option
@nul_option
def command(pathspecs: tuple[str, ...], as_json: bool, nul: bool) -> None:
    """Show what is materialised, missing or in conflict.

    A tracked file is "materialised", or its "manifest" stands in its place, or that and some of its objects are not
    here ("missing objects"); "absent" from the worktree; in "conflict"; or "raw": committed without git-theta.
    Whether a materialised file was changed is for `git status` to say. Below a file in conflict, or a checkpoint whose
    files are settled together, stand the names of the parameters that are contested still. -z prints "STATE<tab>PATH".
    """
    if nul and as_json:
        raise UsageError("-z and --json exclude each other")
    repository, top = require_worktree()
    survey = _survey_files(pathspecs, repository, top)
    if as_json:
        echo_json(_survey_json(survey, repository))
    elif nul:
        for status in survey.statuses:
            echo_record(f"{status.state}\t{display_path(status.tracked.path, top)}\0")
    else:
        _print_survey(survey, top)
        warn_of_case(repository)
        warn_of_layouts(survey.tracked, repository)


class _Survey(NamedTuple):
    """What there is of the tracked files.

    Attributes:
        tracked: they.
        statuses: what stands for each, in their order.
        contested: the names of what files in conflict contest, by path.
        whole: the checkpoints whose conflict is settled as one.
        faults: where indexes of shards are wrong, in words.
    """

    tracked: Sequence[TrackedFile]
    statuses: Sequence[FileStatus]
    contested: Mapping[str, Sequence[str]]
    whole: Sequence[CheckpointConflict]
    faults: Sequence[str]


def _survey_files(pathspecs: Sequence[str], repository: Repository, top: Path) -> _Survey:
    store = open_store(repository)
    tracked = list_tracked(repository, pathspecs)
    warn_unmatched(pathspecs, tracked, boundary.warn)
    statuses = [survey_file(file, top, store) for file in tracked]
    conflict = any(status.state == FileState.CONFLICT for status in statuses)
    contested = _find_contested(repository) if conflict else {}
    whole = find_checkpoint_conflicts(repository) if conflict else []
    return _Survey(tracked, statuses, contested, whole, faults_of_index(repository))


def _survey_json(survey: _Survey, repository: Repository) -> dict[str, Any]:
    sums = sum_sizes(survey.statuses)
    unlike = {one.path: one.chosen for one in find_unlike_layouts(survey.tracked, repository)}
    return {
        "files": [
            _status_json(status, survey.contested) | {"unlike": unlike.get(status.tracked.path)}
            for status in survey.statuses
        ],
        "checkpoints": [_checkpoint_json(one) for one in survey.whole],
        "faults": survey.faults,
        "total": {"files": len(survey.statuses), "size": sums.logical, "stored": sums.stored},
    }


def _print_survey(survey: _Survey, top: Path) -> None:
    lacking = {file.path: find_lacking_plugins(file.manifest) for file in survey.tracked if file.manifest}
    _print_files(survey.statuses, lacking, survey.contested, top)
    for one in survey.whole:
        _print_checkpoint(one, top)
    _print_some("shards: ", survey.faults)
    _print_summary(survey.statuses)
    if any(lacking.values()):
        echo_line("lacks: `git theta doctor` says how to get plug-ins that are not here")


def warn_of_case(repository: Repository) -> None:
    """Warn of files that only their letters' case keeps from being tracked: Git says no word about them."""
    if missed := find_case_misses(repository):
        assert repository.worktree
        names = [display_path(path, repository.worktree) for path in missed]
        boundary.warn(
            f"not tracked, as patterns tell upper from lower case: {join_some(names, 5)}",
            hint=f"git theta track '*{Path(missed[0]).suffix}'; what Git has already: git add --renormalize",
        )


def warn_of_layouts(files: Sequence[TrackedFile], repository: Repository) -> None:
    """Warn of those of these files that the index has in another format than attributes choose."""
    if unlike := find_unlike_layouts(files, repository):
        assert repository.worktree
        paths = " ".join(shlex.quote(display_path(one.path, repository.worktree)) for one in unlike[:5])
        again = f"They stay as they are until somebody lays them out anew: git theta relayout {paths}"
        boundary.warn(
            join_some([one.describe() for one in unlike], 5), hint=next((one.hint for one in unlike if one.hint), again)
        )


def _find_contested(repository: Repository) -> dict[str, list[str]]:
    """Path to the names that are contested there. No object is read."""
    found = {}
    for file in find_conflicted(repository):
        with contextlib.suppress(ManifestError):
            if one := read_conflict(file, repository):
                found[file.path] = list(one.conflict.left)
    return found


def _print_files(
    statuses: Sequence[FileStatus],
    lacking: Mapping[str, Sequence[PluginId]],
    contested: Mapping[str, Sequence[str]],
    top: Path,
) -> None:
    """A line for each file, and below it the names that are contested there."""
    for status in statuses:
        path = status.tracked.path
        echo_line(display_path(path, top), *_describe_status(status, lacking.get(path, ())))
        _print_some("  contested: ", describe_names(contested.get(path, ())))


def _print_checkpoint(one: CheckpointConflict, top: Path) -> None:
    """What of a checkpoint of several files is contested, or how it is one conflict."""
    path = display_path(one.path, top)
    if one.item.plan is None:
        echo_line(
            f"checkpoint: {path}: {one.item.reason}: git theta resolve --ours, or --theirs, takes all of its files"
        )
        return
    echo_line(f"checkpoint: {path}: its files are settled together")
    _print_some("  contested: ", describe_names(_list_contested(one.item.plan)))


def _list_contested(plan: Plan) -> list[str]:
    return [name for decision in plan.contested for name in decision.names or (FRAME_LABEL,)]


def _print_some(prefix: str, lines: Iterable[str]) -> None:
    for line in list_some((f"{prefix}{line}" for line in lines), rest=": git theta status --json"):
        echo_line(line)


def _describe_status(status: FileStatus, lacking: Sequence[PluginId]) -> list[str]:
    file = status.tracked
    here = f"{status.objects - status.missing} of {status.objects} objects here" if status.missing else ""
    if file.manifest is None:
        return [status.state, file.raw or humanize_size(0)]
    needs = f"lacks {join_some([plugin.spell_short() for plugin in lacking])}" if lacking else ""
    return [status.state, humanize_size(file.manifest.size), *filter(None, (here, needs))]


def _print_summary(statuses: Sequence[FileStatus]) -> None:
    sums = sum_sizes(statuses)
    echo_line(
        f"{pluralize(len(statuses), 'file')}, {humanize_size(sums.logical)}, stored in {humanize_size(sums.stored)}"
    )
    for state, words in _STATE_HINTS.items():
        for hint in dict.fromkeys(status.tracked.hint or words for status in statuses if status.state == state):
            echo_line(f"{state}: {hint}")


def _checkpoint_json(one: CheckpointConflict) -> dict[str, Any]:
    contested = _list_contested(one.item.plan) if one.item.plan else []
    return {"path": one.path, "reason": one.item.reason or None, "contested": contested}


def _status_json(status: FileStatus, contested: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    manifest = status.tracked.manifest
    return {
        "path": status.tracked.path,
        "state": status.state,
        "raw": status.tracked.raw or None,
        "size": manifest.size if manifest else None,
        "stored": status.stored if manifest else None,
        "objects": status.objects if manifest else None,
        "missing": status.missing if manifest else None,
        "lacks": [plugin._asdict() for plugin in find_lacking_plugins(manifest)] if manifest else [],
        "contested": contested.get(status.tracked.path),
    }
