"""Weights that are the same where they should differ: what a training run that did not train leaves in a history.

Merges, cherry-picks, rebases and reverts share weights, and are left alone: what counts is a commit of its own, of
another author or time, that says it changed the weights, while another one outside of its history made them the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple


class AlarmKind(StrEnum):
    """What is the same."""

    PARENT = "same-as-parent"
    """The file changed, and no floating-point parameter did."""
    BRANCH = "same-as-other-branch"
    """Two commits, neither in the history of the other, changed the weights, and to the same ones."""


class Step(NamedTuple):
    """What one commit with one parent did to one checkpoint, which was there before, and is after.

    Attributes:
        commit, parent: ids.
        stamp: who wrote the commit and when: a cherry-picked or rebased commit keeps both.
        path: what the checkpoint is called by: its file, or the index of its shards.
        before, after: digests of all its floating-point parameters.
        files: the paths of its shards, at either version; () for a file by itself.
    """

    commit: str
    parent: str
    stamp: tuple[str, ...]
    path: str
    before: str
    after: str
    files: tuple[str, ...] = ()


class Alarm(NamedTuple):
    """The weights of ``path`` at ``commit`` are, byte for byte, those of ``other``, which is a commit too."""

    kind: AlarmKind
    path: str
    commit: str
    other: str


IsOriginal = Callable[[Step], bool]
"""Whether no commit in the history of a step had its weights before: where one had, they were restored, not trained."""


def find_untrained(step: Step) -> Alarm | None:
    """The alarm for a commit that stored the weights of its own parent anew."""
    if step.before and step.before == step.after:
        return Alarm(AlarmKind.PARENT, step.path, step.commit, step.parent)
    return None


class WeightWatch:
    """Remembers the weights that commits made, and finds commits that made the same ones."""

    def __init__(self, original: IsOriginal) -> None:
        self._original = original
        self._steps: dict[tuple[str, str], dict[str, Step]] = {}

    def add(self, step: Step) -> list[Alarm]:
        """One alarm for every commit met so far that changed the file to the same weights, on its own as this one."""
        if not step.after or step.before == step.after:
            return []
        alike = self._steps.setdefault((step.path, step.after), {})
        found = [other for other in alike.values() if self._is_suspicious(step, other)]
        alike[step.commit] = step
        return [Alarm(AlarmKind.BRANCH, step.path, step.commit, other.commit) for other in found]

    def add_all(self, steps: Iterable[Step]) -> list[Alarm]:
        """The alarms of all these, in order."""
        return [alarm for step in steps for alarm in self.add(step)]

    def _is_suspicious(self, one: Step, other: Step) -> bool:
        if one.commit == other.commit or one.stamp == other.stamp:
            return False
        return self._original(one) and self._original(other)
