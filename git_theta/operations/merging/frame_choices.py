"""Who is asked about what is no parameter, and what is taken: key by key, or all of a file."""

from __future__ import annotations

from collections.abc import Mapping

from git_theta.merging.base import ContestReport
from git_theta.merging.planning.decisions import BASE, SIDES
from git_theta.merging.planning.plan import Plan, settle_contested
from git_theta.merging.policies.policy import CONFLICT, Choice
from git_theta.operations.merging.frame_keys import FrameKey
from git_theta.operations.merging.frame_merge import FrameMerge
from git_theta.operations.merging.merge_results import NO_BASE, AppliedStrategy, Choose, ContestedDecision
from git_theta.words import join_some

_BYTES_CONTESTED = "{} computes with parameters, and this may be more than metadata"


_OURS_KEPT = "both sides changed {}; ours is kept"


_NAMELESS_CONTESTED = "both sides changed it, and its tensors have no names: what stands in one place may be two things"
_WHOLE_CONTESTED = "both sides changed it, and it is kept whole: no format reads it"


class FrameChooser:
    """Chooses for contested keys of a frame, and remembers by what."""

    def __init__(self, choose: Choose, before: Mapping[str, int], *, has_base: bool) -> None:
        self._choose = choose
        self._before = before
        self._has_base = has_base
        self._choices: dict[str, Choice] = {}
        self._kept: dict[str, Choice] = {}
        self._reasons: dict[str, str] = {}

    def choose_source(self, key: FrameKey) -> int | None:
        """The head whose value is taken, or BASE; None to leave it contested."""
        name = key.decision.name
        if name in self._before:
            return self._before[name]
        choice = self._choose(key.decision)
        if choice is None or choice.strategy == CONFLICT:
            return None
        source = SIDES.get(choice.strategy)
        if source is None and not key.plain:
            self._reasons[name] = _BYTES_CONTESTED.format(choice.strategy)
            return None
        if source == BASE and not self._has_base:
            self._reasons[name] = NO_BASE
            return None
        (self._kept if source is None else self._choices)[name] = choice
        return source or 0

    def list_outcomes(self, framed: FrameMerge) -> list[AppliedStrategy | ContestedDecision]:
        """What became of the contested keys: what strategies kept is told as one, about the frame."""
        found: list[AppliedStrategy | ContestedDecision] = []
        for choice in {str(choice): choice for choice in self._kept.values()}.values():
            keys = [name for name, kept in self._kept.items() if str(kept) == str(choice)]
            report = ContestReport(notes=[_OURS_KEPT.format(join_some(keys))])
            found.append(AppliedStrategy(framed.plan.frame, choice, report))
        found += [
            AppliedStrategy(key.decision, self._choices[key.decision.name], ContestReport())
            for key in framed.settled
            if key.decision.name in self._choices
        ]
        for key in framed.contested:
            reasons = filter(None, (self._reasons.get(key.decision.name), key.reason))
            found.append(ContestedDecision(key.decision, "; ".join(reasons)))
        return found


def choose_whole(made: Plan, choose: Choose, contested: str) -> tuple[Plan, list[AppliedStrategy | ContestedDecision]]:
    """The plan with a frame, and what was chosen for it, where it is ``contested`` in one piece, or the file is."""
    if made.frame.source is not None:
        return made, []
    choice = choose(made.frame)
    if choice is None or choice.strategy == CONFLICT:
        if any(head.is_positional for head in made.heads):
            return made, [ContestedDecision(made.frame, _NAMELESS_CONTESTED)]
        opaque = all(head.is_opaque for head in made.heads)
        return made, [ContestedDecision(made.frame, _WHOLE_CONTESTED if opaque else contested)]
    if choice.strategy not in SIDES:
        computes = f"{choice.strategy} cannot compute with a file that is taken whole"
        reason = computes if made.whole else f"{_BYTES_CONTESTED.format(choice.strategy)}: {contested}"
        return made, [ContestedDecision(made.frame, reason)]
    side = SIDES[choice.strategy]
    if side == BASE and made.base is None:
        return made, [ContestedDecision(made.frame, NO_BASE)]
    return settle_contested(made, {}, frame=side), [AppliedStrategy(made.frame, choice, ContestReport())]
