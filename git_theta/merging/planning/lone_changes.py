"""Parameters that only some heads changed, made contested: in a round every head counts, also where it changed nothing.

A merge takes from one side what that side alone changed. An average of several people's tunes is one of all of them:
taken from one, a parameter would count as many times as there are heads.
"""

from __future__ import annotations

from collections.abc import Iterator

from git_theta.merging.planning.decisions import Decision, DecisionState
from git_theta.merging.planning.plan import Plan, replace_decisions
from git_theta.tensors.dtypes import BY_NAME

_ALONE = frozenset((DecisionState.CHANGED, DecisionState.CHANGED_SAME))


def contest_lone_changes(made: Plan) -> Plan:
    """The plan with every number contested that some heads changed, and others did not.

    What is no floating-point number, or means something only together with others, has no average: it stays as it is.
    """
    return replace_decisions(made, _contest_all(made))


def _contest_all(made: Plan) -> Iterator[Decision]:
    for decision in made.decisions:
        lone = decision.state in _ALONE and len(decision.by) < len(made.heads)
        yield (
            decision._replace(state=DecisionState.CONTESTED, source=None) if lone and _is_weight(decision) else decision
        )


def _is_weight(decision: Decision) -> bool:
    entries = [entry for held in decision.heads for entry in held]
    return decision.group is None and all(
        entry.dtype in BY_NAME and BY_NAME[entry.dtype].is_floating for entry in entries
    )
