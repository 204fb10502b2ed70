"""What is to be done with each parameter of tensors that Python gives: its contest, and what that is merged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.merging import options as declared
from git_theta.merging.base import Contest, Operand, PickResult, Strategy
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.execution import library_for
from git_theta.merging.given_operands import GivenOperand, operand_of
from git_theta.merging.planning.decisions import BASE, SIDES, trivial_merge
from git_theta.merging.planning.groups import Group, find_groups
from git_theta.merging.policies.kinds import find_kind
from git_theta.merging.policies.policy import Choice
from git_theta.merging.policies.treatments import treat_choice, weigh_kind

if TYPE_CHECKING:
    import torch


class ParameterJob(NamedTuple):
    """A contest, and what it is merged by; None where that is refused, with the reason.

    Of a member of a group, what came out for all of it may be ``settled``; else nothing settles the member alone.
    """

    strategy: Strategy | None
    contest: Contest
    reason: str = ""
    settled: PickResult | None = None
    in_group: bool = False


def treat_job(job: ParameterJob, given: Mapping[str, Any]) -> ParameterJob:
    """The job as what the parameter is demands."""
    contest, dtypes = job.contest, {branch.spec.dtype.name for branch in job.contest.branches if branch}
    kind = find_kind([contest.name], dtypes.pop()) if len(dtypes) == 1 and job.strategy else None
    if kind is None or job.strategy is None:
        return job
    treated = treat_choice(kind, Choice(job.strategy.name, {}, "the call"))
    if treated.kind is None:
        return job
    if treated.choice is None:
        return ParameterJob(None, contest, treated.reason)
    strategy = load_strategy(treated.choice.strategy)
    return ParameterJob(
        strategy,
        replace(
            contest,
            weights=weigh_kind(treated, contest.weights, given),
            options=declared.parse_options(strategy.name, strategy.options, {}),
            library=library_for(strategy, contest.device),
        ),
    )


def join_groups(jobs: Sequence[ParameterJob]) -> list[ParameterJob]:
    """The jobs with members of a group decided together: taken from one side, or refused."""
    by_name = {job.contest.name: job for job in jobs}
    contests = [job.contest for job in jobs]
    versions = [
        {contest.name: found for contest in contests if (found := _operand_at(contest, position)) is not None}
        for position in (*range(len(contests[0].branches) if contests else 0), BASE)
    ]
    for group, names in find_groups(versions, lambda operand: operand.spec.dtype.name):
        if group.reason:
            by_name |= {name: _join_job(group, name, names, by_name) for name in names}
        else:
            _warn_apart([by_name[name] for name in names])
    return [by_name[job.contest.name] for job in jobs]


def _warn_apart(factors: Sequence[ParameterJob]) -> None:
    """Tell where factors of an adapter are merged each by itself, and that is not what it seems."""
    import warnings

    strategy = factors[0].strategy
    differing = [job for job in factors if len({branch and branch.oid for branch in job.contest.branches}) > 1]
    if strategy and strategy.numeric and not strategy.pairs and len(differing) > 1:
        names = " and ".join(job.contest.name for job in factors)
        told = f"{names}: {strategy.name} of each factor is not that of their products; adapter-svd merges those"
        warnings.warn(told, stacklevel=4)


def _join_job(group: Group, name: str, names: Sequence[str], jobs: Mapping[str, ParameterJob]) -> ParameterJob:
    """The job of one member: what a side has of it, where ids or the strategy take one; a refusal where it computes."""
    job, contests = jobs[name], [jobs[member].contest for member in names]

    def identify(position: int) -> tuple[Any, ...]:
        found = [_operand_at(contest, position) for contest in contests]
        return tuple([operand and (operand.oid, operand.spec) for operand in found])

    _, source = trivial_merge(identify(BASE), list(map(identify, range(len(job.contest.branches)))))
    if source is None and job.strategy:
        source = SIDES.get(job.strategy.name)
    if source is not None:
        return job._replace(settled=PickResult(_operand_at(job.contest, source)))
    return ParameterJob(None, job.contest, f"{group.reason}: no strategy computes with them", in_group=True)


def _operand_at(contest: Contest, position: int) -> Operand | None:
    return contest.base if position == BASE else contest.branches[position]


def build_contest(
    name: str,
    branches: Sequence[Mapping[str, Any]],
    base: Mapping[str, Any] | None,
    device: torch.device | str | None,
    strategy: Strategy,
    make: partial[Contest],
) -> Contest:
    """What state dicts have of one parameter, computed with where ``device`` says, or where its first tensor is."""
    operands = tuple([_operand(name, branch) for branch in branches])
    before = _operand(name, base or {})
    first = next((operand for operand in (*operands, before) if operand), None)
    where = str(device) if device is not None else first.device if first else "cpu"
    return make(name, operands, before, library=library_for(strategy, where))


def _operand(name: str, tensors: Mapping[str, Any]) -> GivenOperand | None:
    return operand_of(tensors[name], name) if name in tensors else None
