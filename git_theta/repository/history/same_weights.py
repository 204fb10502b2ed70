"""Alarms about commits that changed weights to the same ones: where they are looked for, and in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from git_theta.checkpoints.shards import shard_glob
from git_theta.diffing.alarms import Alarm, AlarmKind, IsOriginal, Step, WeightWatch, find_untrained
from git_theta.operations.comparing.weight_steps import digest_versions, find_whole, steps_of
from git_theta.repository.history.version_history import VersionHistory
from git_theta.vcs.commits import CommitDiffs, fetch_ahead, walk_commits
from git_theta.vcs.git import git, literal_pathspec
from git_theta.vcs.revisions import OID_DIGITS

_ALL_BRANCHES = ("--branches", "--remotes")


class Observer:
    """Looks at commits as they come, and at those of other branches, which are read when the first one comes.

    Args:
        history: where versions are read.
        tips: the commits whose history is looked at.
        pathspecs: the files that matter.
    """

    def __init__(self, history: VersionHistory, tips: Sequence[str], pathspecs: Sequence[str]) -> None:
        self._history = history
        self._elsewhere = [*_ALL_BRANCHES, "--not", *(tip for tip in tips if not tip.startswith("^"))]
        self._pathspecs = pathspecs
        self._watch: WeightWatch | None = None

    def find_alarms(self, taken: Iterable[Step]) -> list[Alarm]:
        """What is alarming about a commit that took these steps."""
        if self._watch is None:
            self._watch = WeightWatch(originality_test(self._history))
            self._watch.add_all(_read_steps(self._history, self._elsewhere, self._pathspecs))
        found: list[Alarm] = []
        for step in taken:
            same = find_untrained(step)
            found += [same] if same else self._watch.add(step)
        return found


def steps_of_branches(history: VersionHistory, paths: Sequence[str]) -> Iterator[Step]:
    """What commits of all branches did to these files (from the top), youngest first."""
    return _read_steps(history, [*_ALL_BRANCHES, "HEAD"], [literal_pathspec(path) for path in paths])


def describe_alarm(alarm: Alarm) -> str:
    """The alarm as a sentence."""
    one, other = alarm.commit[:OID_DIGITS], alarm.other[:OID_DIGITS]
    if alarm.kind is AlarmKind.PARENT:
        return f"{alarm.path}: {one} stored it anew with the weights of its parent {other}, byte for byte"
    where, there = _describe_branches(alarm.commit), _describe_branches(alarm.other)
    return (
        f"{alarm.path}: {one}{where} and {other}{there} both changed the weights, and to the same ones, byte for byte"
    )


def alarm_json(alarm: Alarm) -> dict[str, Any]:
    """The alarm in JSON."""
    return {"kind": alarm.kind.value, "path": alarm.path, "commit": alarm.commit, "same_as": alarm.other}


def _read_steps(history: VersionHistory, revisions: Sequence[str], pathspecs: Sequence[str]) -> Iterator[Step]:
    with CommitDiffs(pathspecs, renames=False) as diffs:
        for commit in fetch_ahead(walk_commits(revisions, pathspecs, options=["--no-merges"]), pathspecs):
            for parent in commit.parents:
                yield from steps_of(commit, diffs.edits_between(commit.oid, parent), history.reader)


def originality_test(history: VersionHistory) -> IsOriginal:
    """Tells which steps brought weights that no version of the checkpoint in their history had."""

    @cache
    def is_original(step: Step) -> bool:
        pathspecs = pathspecs_of(step)
        with CommitDiffs(pathspecs, renames=False) as diffs:
            for commit in fetch_ahead(walk_commits([step.parent], pathspecs), pathspecs):
                parent = commit.parents[0] if commit.parents else None
                edits = diffs.edits_between(commit.oid, parent)
                found = [find_whole(edit, commit.oid, parent, history.reader) for edit in edits]
                versions = {whole.after for whole in found if whole}
                if any(digest_versions(files, history.reader.texts) == step.after for files in versions):
                    return False
        return True

    return is_original


def pathspecs_of(step: Step) -> list[str]:
    """What the files of a step's checkpoint match, of however many shards it was."""
    if not step.files:
        return [literal_pathspec(step.path)]
    return [f":(top,glob){shard_glob(step.path)}", *map(literal_pathspec, (step.path, *step.files))]


def _describe_branches(commit: str) -> str:
    """The branches that have a commit, in words."""
    names = git("for-each-ref", "--format=%(refname:short)", f"--contains={commit}", "refs/heads", "refs/remotes")
    found = names.decode(errors="replace").split()
    return f" (on {found[0]}{f' and {len(found) - 1} more' if len(found) > 1 else ''})" if found else ""
