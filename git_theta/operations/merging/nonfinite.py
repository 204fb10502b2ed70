"""NaN and infinite numbers of what a merge would compute with: looked for beforehand, where the tensors are here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from git_theta.merging.agreement import is_measurable
from git_theta.merging.contests import contest_of
from git_theta.merging.decisions import Decision, split_decision
from git_theta.merging.numerics import stream
from git_theta.merging.plan import Plan
from git_theta.merging.plan_rendering import NonfiniteCounter
from git_theta.merging.treatments import StrategyChooser, is_computed
from git_theta.operations.availability import are_here
from git_theta.operations.context import Context
from git_theta.parameters.value_decoding import read_values
from git_theta.tensors.array_library import count_nonfinite


def nonfinite_counter(plan: Plan, choose: StrategyChooser, context: Context) -> NonfiniteCounter:
    """How many NaN or infinite numbers each version has of a contested parameter that a strategy is to compute.

    By what the plan calls the version, "base" too; nothing where there are none, and where objects are not here: a plan
    fetches nothing. Reads the tensors once, in constant memory.
    """

    def count(decision: Decision) -> Mapping[str, int]:
        if not decision.names or not is_computed(decision, choose(decision)):
            return {}
        found: Counter[str] = Counter()
        for member in split_decision(decision) if decision.group else [decision]:
            found.update(_count_member(plan, member, context))
        return {label: number for label, number in found.items() if number}

    return count


def _count_member(plan: Plan, decision: Decision, context: Context) -> Mapping[str, int]:
    entries = [entry for held in (*decision.heads, decision.base) for entry in held]
    here = are_here(entries, context)
    contest = contest_of(decision, lambda entry: read_values(entry, context.store, map)) if here else None
    if contest is None or not is_measurable(contest):
        return {}
    versions = dict(zip(plan.labels, contest.branches, strict=True)) | {"base": contest.base}
    return {
        label: sum(count_nonfinite(chunk.values[0]) for chunk in stream(contest, [operand]))
        for label, operand in versions.items()
        if operand
    }
