"""The same-weights alarm where Git is: branches beside the commits at hand, and what to say to a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from git_theta.diffing.alarms import Alarm, Kind, Original, Step, Watch, untrained
from git_theta.manifest.lines import weights
from git_theta.operations.comparing.parameter_history import steps
from git_theta.repository.version_history import SHORT, Past
from git_theta.vcs.commits import Diffs, commits
from git_theta.vcs.git import git

_EVERYWHERE = ("--branches", "--remotes")


class Observer:
    """Looks at commits as they come, and at those of other branches, which are read when the first one comes.

    Args:
        history: where versions are read.
        tips: the commits whose history is looked at.
        pathspecs: the files that matter.
    """

    def __init__(self, history: Past, tips: Sequence[str], pathspecs: Sequence[str]) -> None:
        self._history = history
        self._elsewhere = [*_EVERYWHERE, "--not", *(tip for tip in tips if not tip.startswith("^"))]
        self._pathspecs = pathspecs
        self._watch: Watch | None = None

    def alarms(self, taken: Iterable[Step]) -> list[Alarm]:
        """What is alarming about a commit that took these steps."""
        if self._watch is None:
            self._watch = Watch(original(self._history))
            self._watch.watch(_steps(self._history, self._elsewhere, self._pathspecs))
        found: list[Alarm] = []
        for step in taken:
            same = untrained(step)
            found += [same] if same else self._watch.add(step)
        return found


def everywhere(history: Past, paths: Sequence[str]) -> Iterator[Step]:
    """What commits of all branches did to these files (from the top), youngest first."""
    return _steps(history, [*_EVERYWHERE, "HEAD"], [_literal(path) for path in paths])


def told(alarm: Alarm) -> str:
    """The alarm as a sentence."""
    one, other = alarm.commit[:SHORT], alarm.other[:SHORT]
    if alarm.kind is Kind.PARENT:
        return f"{alarm.path}: {one} stored it anew with the weights of its parent {other}, byte for byte"
    where, there = _on(alarm.commit), _on(alarm.other)
    return (
        f"{alarm.path}: {one}{where} and {other}{there} both changed the weights, and to the same ones, byte for byte"
    )


def alarm_json(alarm: Alarm) -> dict[str, Any]:
    """The alarm in JSON."""
    return {"kind": alarm.kind.value, "path": alarm.path, "commit": alarm.commit, "same_as": alarm.other}


def _steps(history: Past, revisions: Sequence[str], pathspecs: Sequence[str]) -> Iterator[Step]:
    with Diffs(pathspecs, renames=False) as diffs:
        for commit in commits(revisions, pathspecs, options=["--no-merges"]):
            for parent in commit.parents:
                yield from steps(commit, diffs.between(commit.oid, parent), history.reader.texts)


def original(history: Past) -> Original:
    """Tells which steps brought weights that no version of the file in their history had."""

    @cache
    def found(step: Step) -> bool:
        pathspecs = [_literal(step.path)]
        with Diffs(pathspecs, renames=False) as diffs:
            for commit in commits([step.parent], pathspecs):
                edits = diffs.between(commit.oid, commit.parents[0] if commit.parents else None)
                texts = [text for edit in edits if edit.after and (text := history.reader.texts(edit.after.oid))]
                if step.after in map(weights, texts):
                    return False
        return True

    return found


def _literal(path: str) -> str:
    """The pathspec of a path from the top."""
    return f":(top,literal){path}"


def _on(commit: str) -> str:
    """The branches that have a commit, in words."""
    names = git("for-each-ref", "--format=%(refname:short)", f"--contains={commit}", "refs/heads", "refs/remotes")
    found = names.decode(errors="replace").split()
    return f" (on {found[0]}{f' and {len(found) - 1} more' if len(found) > 1 else ''})" if found else ""
