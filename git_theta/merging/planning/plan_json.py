"""A plan for programs: JSON, as docs/spec/plan.schema.json has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from git_theta.merging.change_sums import add_up_facts, facts_json
from git_theta.merging.planning.decisions import Decision, Entries, names_of
from git_theta.merging.planning.plan import Plan
from git_theta.merging.planning.plan_rendering import (
    NOTHING_LEFT,
    NonfiniteCounter,
    Sums,
    explain_decision,
    foresee_choice,
    label_source,
)
from git_theta.merging.policies.policy import Choice
from git_theta.merging.policies.treatments import StrategyChooser, find_kind_of

SCHEMA_VERSION = 1
"""Of the schema: it grows when a program that read the former one would be misled."""


def plan_json(
    plan: Plan,
    choose: StrategyChooser | None = None,
    count: NonfiniteCounter | None = None,
    left: Mapping[str, str] = NOTHING_LEFT,
    sums: Sums | None = None,
) -> dict[str, Any]:
    """The plan as docs/spec/plan.schema.json has it.

    Args:
        plan: the plan.
        choose: tells what a contested parameter would be merged with; without it nothing is said about that.
        count: counts NaN and infinite numbers of a contested parameter by version; without it nothing is said of them.
        left: by name ("" for the file), why what was chosen does not settle a contested parameter.
        sums: what was measured of parameters that are to be computed; without it nothing is said of changes.
    """
    return {
        "version": SCHEMA_VERSION,
        "heads": list(plan.labels),
        "base": plan.base is not None,
        "format": plan.format,
        "whole": plan.whole,
        "like": label_source(plan, plan.like),
        "exact": plan.exact,
        "counts": {state.value: count for state, count in plan.counts.items()},
        "frame": _decision_json(plan, plan.frame, choose if plan.whole and plan.contested else None, left),
        "parameters": [_parameter_json(plan, decision, choose, count, left, sums) for decision in plan.decisions],
        "layout": [{"name": place.name, "from": label_source(plan, place.source)} for place in plan.layout],
    } | ({} if sums is None else {"changes": facts_json(add_up_facts(sums.values()))})


def _parameter_json(
    plan: Plan,
    decision: Decision,
    choose: StrategyChooser | None,
    count: NonfiniteCounter | None,
    left: Mapping[str, str],
    sums: Sums | None,
) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if sums is not None and decision.source is None:
        changes["changes"] = facts_json(sums[decision.name].facts()) if decision.name in sums else None
    nonfinite = {"nonfinite": dict(count(decision))} if count and decision.source is None else {}
    return {
        "name": decision.name,
        "names": list(decision.names),
        **_decision_json(plan, decision, choose if decision.source is None else None, left),
        **nonfinite,
        **changes,
        "base": _entries_json(decision.base),
        "heads": list(map(_entries_json, decision.heads)),
    }


def _decision_json(
    plan: Plan, decision: Decision, choose: StrategyChooser | None, left: Mapping[str, str]
) -> dict[str, Any]:
    data: dict[str, Any] = {
        "state": decision.state.value,
        "by": [plan.labels[head] for head in decision.by],
        "take": None if decision.source is None else label_source(plan, decision.source),
        "reason": explain_decision(plan, decision),
    }
    if choose is None:
        return data
    kind, (choice, reason) = find_kind_of(decision), foresee_choice(decision, choose, left)
    kinds = {"kind": kind.name if kind else None} if decision.names else {}
    return data | kinds | {"strategy": _choice_json(choice), "left": reason or None}


def _choice_json(choice: Choice | None) -> dict[str, Any] | None:
    return choice and {"name": choice.strategy, "options": dict(choice.options), "origin": choice.origin}


def _entries_json(held: Entries) -> list[dict[str, Any]]:
    return [
        {
            "name": entry.name,
            "dtype": entry.dtype,
            "shape": list(entry.shape),
            "oid": entry.oid,
            "ties": list(names_of(entry)[1:]),
        }
        for entry in held
    ]
