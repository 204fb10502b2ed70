"""The commits that changed parameters, with what is alarming about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from git_theta.diffing.alarms import Alarm
from git_theta.diffing.base import Change
from git_theta.globs import name_matcher
from git_theta.operations.comparing.parameter_history import LogEntry, log_checkpoints
from git_theta.repository.history.same_weights import Observer
from git_theta.repository.history.version_history import VersionHistory
from git_theta.vcs.commits import Commit, CommitDiffs, fetch_ahead, walk_commits

LoggedAlarms = tuple[LogEntry[Commit], list[Alarm]]


def find_logged(
    history: VersionHistory, limited: CommitDiffs, tips: Sequence[str], pathspecs: Sequence[str], globs: Sequence[str]
) -> Iterator[LoggedAlarms]:
    """The commits that changed what was asked for, youngest first, each with its alarms.

    Args:
        history: where versions are read.
        limited: what commits changed of the files that ``pathspecs`` match.
        tips: ids of the commits whose history is looked at, ``^`` before those whose is left out.
        pathspecs: Git's, relative to the current folder; none for all files.
        globs: for names of parameters; none for all.

    Raises UsageError for what is no glob.
    """
    observer = Observer(history, tips, pathspecs)
    found = log_checkpoints(
        fetch_ahead(walk_commits(tips), pathspecs),
        history.diffs.edits_between,
        history.reader,
        matching=_path_lister(limited) if pathspecs else None,
        keep=_change_matcher(globs),
    )
    for logged in found:
        yield logged, observer.find_alarms(logged.steps)


def _change_matcher(globs: Sequence[str]) -> Callable[[Change], bool] | None:
    """Whether a parameter is called so; None for no globs, as what is no parameter then counts too."""
    matches = name_matcher(globs)
    return (lambda change: any(map(matches, change.names))) if globs else None


def _path_lister(limited: CommitDiffs) -> Callable[[str, str | None], frozenset[str]]:
    def paths(commit: str, parent: str | None) -> frozenset[str]:
        edits = limited.edits_between(commit, parent)
        return frozenset(side.path for edit in edits for side in (edit.before, edit.after) if side)

    return paths
