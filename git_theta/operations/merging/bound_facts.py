"""Facts without which a tensor's values mean nothing, such as the scale of a quantised one: both come from one side.

Ids tell nothing of facts, so a plan settles codes and scale each by itself. Here they are decided about together (L13).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from git_theta.formats.base import Fact
from git_theta.merging.planning.decisions import (
    BASE,
    CONTESTED_STATES,
    Decision,
    DecisionState,
    classify_settled,
    identity_of_entries,
    trivial_merge,
)
from git_theta.merging.planning.groups import SCALED
from git_theta.merging.planning.plan import Plan, replace_decisions, settle_contested
from git_theta.tensors.dtypes import BY_NAME

ChooseSide = Callable[[Decision], int | None]
"""The head, or BASE, that a contested decision is taken from; None where it stays contested."""


class BoundFacts:
    """The bound facts of the versions of a file.

    Args:
        facts: of each head, and of BASE, its facts by key.
    """

    def __init__(self, facts: Mapping[int, Mapping[str, Fact]]) -> None:
        self._held = {
            source: {fact.tensor: fact.content for fact in told.values() if fact.bound}
            for source, told in facts.items()
        }
        self._tensors = {key: fact.tensor for told in facts.values() for key, fact in told.items() if fact.bound}
        self.names = frozenset(self._tensors.values())
        """The tensors that they are about."""

    def join_decisions(self, made: Plan, chosen: Mapping[str, int]) -> Plan:
        """The plan in which such tensors are decided about with their facts.

        ``chosen``: by name, what was chosen earlier of what only this makes contested.
        """
        if not self.names:
            return made
        joined = replace_decisions(made, [self._join(decision) for decision in made.decisions])
        contested = {decision.name for decision in joined.contested}
        return settle_contested(joined, {name: source for name, source in chosen.items() if name in contested})

    def find_sources(self, made: Plan, choose: ChooseSide) -> dict[str, int]:
        """Whose each bound fact is, by key: its tensor's; the first head's as long as that is contested."""
        owners = {name: decision for decision in made.decisions for name in decision.names} if self.names else {}
        found: dict[str, int] = {}
        for key, tensor in self._tensors.items():
            if decision := owners.get(tensor):
                chosen = choose(decision) if decision.source is None else decision.source
                found[key] = 0 if chosen is None else chosen
        return found

    def follow_frame(self, made: Plan) -> Plan:
        """The plan in which such tensors come from where the frame does: it is taken whole, and has the facts in it.

        As long as that is contested, from the head whose frame stands for it.
        """
        source = made.like if made.frame.source is None else made.frame.source
        return replace_decisions(
            made,
            [decision._replace(source=source) if self._is_moved(decision) else decision for decision in made.decisions],
        )

    def _join(self, decision: Decision) -> Decision:
        if self.names.isdisjoint(decision.names):
            return decision
        group = decision.group or SCALED
        if decision.state in CONTESTED_STATES:
            return decision._replace(group=group)
        by, source = self._merge(decision)
        if source is None:
            return decision._replace(state=_classify_contested(decision, by), by=by, source=None, group=group)
        state = classify_settled(by, had=bool(decision.base), has=bool(decision.heads[source]))
        return decision._replace(state=state, by=by, source=source)

    def _is_moved(self, decision: Decision) -> bool:
        return not self.names.isdisjoint(decision.names) and bool(self._merge(decision)[0])

    def _merge(self, decision: Decision) -> tuple[tuple[int, ...], int | None]:
        heads = [self._identify(decision, index) for index in range(len(decision.heads))]
        return trivial_merge(self._identify(decision, BASE), heads)

    def _identify(self, decision: Decision, source: int) -> Hashable:
        held = self._held.get(source, {})
        return identity_of_entries(decision.entries_of(source)), tuple(map(held.get, decision.names))


def may_be_bound(made: Plan) -> bool:
    """Whether a tensor that a head changed may have bound facts, by its dtype."""
    return any(
        entry.dtype in BY_NAME and BY_NAME[entry.dtype].kind in ("quantized", "complex")
        for decision in made.decisions
        if decision.state is not DecisionState.UNCHANGED
        for held in decision.heads
        for entry in held
    )


def _classify_contested(decision: Decision, by: tuple[int, ...]) -> DecisionState:
    if not decision.base:
        return DecisionState.ADDED_DIFFERENTLY
    return DecisionState.CONTESTED if all(decision.heads[index] for index in by) else DecisionState.REMOVED_MODIFIED
