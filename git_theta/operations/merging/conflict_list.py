"""What is left to settle, in few lines: two layers of a transformer have 32 parameters, and a terminal has 24 lines."""

from __future__ import annotations

from collections.abc import Sequence

from git_theta.operations.merging.frame_keys import FRAME_LABEL
from git_theta.operations.merging.merge_results import ContestedDecision
from git_theta.words import group_names, join_some, pluralize


def describe_left(left: Sequence[ContestedDecision]) -> list[str]:
    """What is left of a merge in a few lines: names, by what they begin with where they are many, and reasons."""
    reasons: dict[str, list[str]] = {}
    for item in left:
        reasons.setdefault(item.reason, []).append(join_some(item.decision.names) or FRAME_LABEL)
    return [
        f"  {line}{f' ({reason})' if reason else ''}"
        for reason, names in reasons.items()
        for line in describe_names(names)
    ]


def describe_names(names: Sequence[str]) -> list[str]:
    """Names in a few lines: ``encoder.layer.0.*: 16 parameters`` where they are many."""
    return [
        label if len(held) == 1 else f"{label}: {pluralize(len(held), 'parameter')}"
        for label, held in group_names(names)
    ]
