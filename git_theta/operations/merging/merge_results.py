"""What a merge is told, and what comes of it: the values that its steps hand on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from git_theta.manifest.model import Entry, Manifest
from git_theta.merging.base import ContestReport
from git_theta.merging.planning.decisions import Decision
from git_theta.merging.planning.plan import Plan
from git_theta.merging.policies.policy import Choice
from git_theta.merging.policies.treatments import StrategyChooser

NO_BASE = "there is no merge base to take it from"


Choose = StrategyChooser


class MergeSettings(NamedTuple):
    """How to compute: head weights (None: equal), seed of what is random, device as torch spells it."""

    weights: tuple[float, ...] | None = None
    seed: int = 0
    device: str = "cpu"


class AppliedStrategy(NamedTuple):
    """A parameter that a strategy settled, and with which settings; or the frame, whose decision has no name.

    ``kind`` is the name of what it is, where it is no weight and another strategy had been chosen.
    """

    decision: Decision
    choice: Choice
    report: ContestReport
    settings: MergeSettings = MergeSettings()
    kind: str = ""


class ContestedDecision(NamedTuple):
    """A parameter, or the frame, that is still contested, and why.

    ``reason`` is what kept the chosen strategy from settling it; "" for a parameter that none was chosen for.
    """

    decision: Decision
    reason: str


class MergeResult(NamedTuple):
    """What came of a plan: the file, what strategies did, and what is left to settle.

    ``frame_sources`` says, of a frame that is merged by keys, whose value was chosen for those that were contested;
    None where the frame is one side's, or contested as one.
    """

    manifest: Manifest
    plan: Plan
    applied: tuple[AppliedStrategy, ...]
    left: tuple[ContestedDecision, ...]
    frame_sources: Mapping[str, int] | None = None


class SettledBefore(NamedTuple):
    """What was settled earlier of a conflict, beyond its plan.

    Attributes:
        computed: by name, entries that strategies made, for what the plan has settled since.
        frame: by name, whose value was chosen for a contested key of the frame.
        bound: by name, whose values and facts were chosen for a tensor that ids do not contest.
    """

    computed: Mapping[str, Entry] = MappingProxyType({})
    frame: Mapping[str, int] = MappingProxyType({})
    bound: Mapping[str, int] = MappingProxyType({})


NOTHING_SETTLED = SettledBefore()
