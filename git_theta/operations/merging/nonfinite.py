"""NaN and infinite numbers of what a merge would compute with: looked for beforehand, where the tensors are here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from git_theta.merging.agreement import is_measurable
from git_theta.merging.change_sums import ChangeSums
from git_theta.merging.contests import contest_of
from git_theta.merging.numerics import stream
from git_theta.merging.planning.decisions import Decision, split_decision
from git_theta.merging.planning.plan import Plan
from git_theta.merging.planning.plan_rendering import NonfiniteCounter, Sums
from git_theta.merging.policies.treatments import StrategyChooser, is_computed
from git_theta.operations.availability import are_here
from git_theta.operations.context import Context
from git_theta.parameters.value_decoding import read_values
from git_theta.tensors.array_library import count_nonfinite
from git_theta.tensors.dtypes import BY_NAME


def nonfinite_counter(plan: Plan, choose: StrategyChooser, sums: Sums, context: Context) -> NonfiniteCounter:
    """How many NaN or infinite numbers each version has of a contested parameter that a strategy is to compute.

    By what the plan calls the version, "base" too; nothing where there are none, and where objects are not here: a plan
    fetches nothing. What ``sums`` were measured of was counted then; other tensors are read once, in constant memory.
    """

    def count(decision: Decision) -> Mapping[str, int]:
        if not decision.names or not is_computed(decision, choose(decision)):
            return {}
        members = split_decision(decision) if decision.group else [decision]
        measured = sums.get(decision.name)
        found: Counter[str] = Counter()
        if measured and measured.parameters == len(members) and _is_real(decision):
            found.update(_spell_counts(plan, measured))
        else:
            for member in members:
                found.update(_count_member(plan, member, context))
        return {label: number for label, number in found.items() if number}

    return count


def _is_real(decision: Decision) -> bool:
    """Whether an element is one number: of a complex one, measuring counts NaN once, wherever it stands."""
    return all(BY_NAME[entry.dtype].kind != "complex" for held in decision.heads for entry in held)


def _spell_counts(plan: Plan, measured: ChangeSums) -> Mapping[str, int]:
    *heads, _, base = measured.nonfinite
    return dict(zip(plan.labels, heads, strict=True)) | {"base": base}


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
