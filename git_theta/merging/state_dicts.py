"""Merging from Python: tensors and state dicts in, the same out. What ``git theta merge`` does, without Git.

Tensors are torch's or numpy's: on CUDA they are computed with there, by torch; elsewhere by numpy. Give and take by
name and dtype alone: neither library is imported for the other's tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from git_theta.errors import ConflictError
from git_theta.merging import options as declared
from git_theta.merging.base import STRATEGIES, Contest, PickResult, Strategy
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.checks import check_contest, check_heads
from git_theta.merging.execution import merge_arrays
from git_theta.merging.given_jobs import ParameterJob, build_contest, join_groups, treat_job
from git_theta.merging.given_operands import GivenOperand

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    AnyTensor = TypeVar("AnyTensor", torch.Tensor, NDArray[Any])


def merge_tensors(
    strategy: str,
    branches: Sequence[AnyTensor],
    base: AnyTensor | None = None,
    weights: Sequence[float] | None = None,
    seed: int = 0,
    name: str = "",
    by_kind: bool = True,
    **options: Any,
) -> AnyTensor:
    """Merge one parameter.

    Args:
        strategy: its name: docs/reference/strategies.md has them, with options and sources.
        branches: the heads' tensors, torch's or numpy's, ours first, of one shape and dtype.
        base: the tensor that they come from, of the same shape and dtype.
        weights: one per head; None for equal weights of 1, which task vectors are not normalised by.
        seed: of what is random.
        name: the parameter's name: part of what randomness depends on, what ``smear`` finds its group by, and what
            tells counters, statistics and constants from weights.
        by_kind: see ``merge_state_dicts``.
        **options: as the strategy declares them; ``lambda_`` for lambda.

    Returns:
        A new tensor of their shape and dtype, of the first branch's library and on its device. What only one branch
        changed, or all in the same way, is that, bit for bit. The same bytes on any device and for any number of
        threads.

    Raises:
        UsageError: no such strategy or option, a bad value, or heads and weights that the strategy does not take.
        ConflictError: tensors that the strategy cannot merge: integers, other dtypes or shapes, no base.
        PluginError: the strategy is another package's, and does not do what a strategy should.
    """
    result = merge_state_dicts(
        strategy,
        [{name: branch} for branch in branches],
        None if base is None else {name: base},
        weights,
        seed,
        by_kind=by_kind,
        **options,
    )
    return result[name]


def merge_state_dicts(
    strategy: str,
    branches: Sequence[Mapping[str, AnyTensor]],
    base: Mapping[str, AnyTensor] | None = None,
    weights: Sequence[float] | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    by_kind: bool = True,
    **options: Any,
) -> dict[str, AnyTensor]:
    """Merge checkpoints, parameter by parameter.

    Args:
        strategy: see ``merge_tensors``.
        branches: the heads' state dicts, ours first.
        base: the state dict that they come from. Without one, a parameter that only one head has counts as added.
        weights: see ``merge_tensors``.
        seed: see ``merge_tensors``.
        device: where to compute, as torch spells it; None for where each parameter's first tensor is.
        by_kind: whether a strategy that computes leaves alone what is no weight, as `git theta merge` does: of counters
            the largest is taken, of statistics and an optimizer's moments the weighted mean, constants have to be
            equal, and groups (codes and scales, indices and values) are taken from one side together or conflict.
            docs/reference/strategies.md has kinds and groups.
        **options: see ``merge_tensors``.

    Returns:
        Names in the order of the first branch, then what others added; new tensors, each of the library and on the
        device of the first branch that has it. A parameter that one branch removed and none changed is gone.

    Raises:
        UsageError: as ``merge_tensors``; or a value is no dense tensor.
        ConflictError: naming every parameter that cannot be merged; nothing has been computed then.
        PluginError: as ``merge_tensors``.
    """
    method = load_strategy(strategy)
    weighted = None if weights is None else tuple(map(float, weights))
    check_heads(method, len(branches), weighted)
    values = declared.parse_options(method.name, method.options, options)
    make = partial(Contest, weights=weighted, options=values, seed=seed)
    names = dict.fromkeys(name for branch in [*branches, base or {}] for name in branch)
    jobs = [ParameterJob(method, build_contest(name, branches, base, device, method, make)) for name in names]
    return _merge(join_groups([treat_job(job, options) for job in jobs]) if by_kind else jobs)


def _merge(jobs: Sequence[ParameterJob]) -> dict[str, Any]:
    _keep_freed_chunks()
    picked = {job.contest.name: _pick(job) for job in jobs}
    open_jobs = [job for job in jobs if picked[job.contest.name] is None]
    _check(open_jobs)
    prepared = _prepare(open_jobs)
    merged: dict[str, Any] = {}
    for name, settled in picked.items():
        if settled is None:
            strategy, contest = prepared[name]
            first = next(branch for branch in contest.branches if isinstance(branch, GivenOperand))
            merged[name] = first.fill(merge_arrays(strategy, contest), contest.library)
        elif isinstance(settled.operand, GivenOperand):
            merged[name] = settled.operand.copy()
    return merged


def _pick(job: ParameterJob) -> PickResult | None:
    if job.settled or job.in_group:
        return job.settled
    if job.strategy is None:
        return job.contest.trivial_result()
    with STRATEGIES.guard(job.strategy.name):
        return job.strategy.pick(job.contest)


def _prepare(jobs: Iterable[ParameterJob]) -> dict[str, tuple[Strategy, Contest]]:
    """Strategy and contest by name, each strategy having seen all of its contests."""
    grouped: dict[str, list[ParameterJob]] = {}
    for job in jobs:
        grouped.setdefault(job.strategy.name if job.strategy else "", []).append(job)
    found: dict[str, tuple[Strategy, Contest]] = {}
    for name, group in grouped.items():
        strategy = load_strategy(name)
        with STRATEGIES.guard(name):
            found |= {one.name: (strategy, one) for one in strategy.prepare([job.contest for job in group])}
    return found


def _keep_freed_chunks() -> None:
    """Have glibc keep the memory of one chunk's arrays for the next one's, 16 MB at most.

    Its thresholds follow the largest array that was freed. In a process that has freed none yet it gives each chunk's
    back to the kernel, and asks for new pages: merges took up to 2.6 times as long (measured, with all else as here).
    """
    import numpy as np

    np.empty(8 << 20, np.uint8)


def _check(jobs: Iterable[ParameterJob]) -> None:
    """Raise one ConflictError for all contests that have one."""
    conflicts: list[ConflictError] = []
    for job in jobs:
        try:
            if job.strategy is None:
                raise ConflictError(
                    job.reason, hint="Choose a side for it: ours, theirs or base.", parameter=job.contest.name
                )
            check_contest(job.strategy, job.contest)
        except ConflictError as error:
            conflicts.append(error)
    if len(conflicts) == 1:
        raise conflicts[0]
    if conflicts:
        told = "; ".join(map(str, conflicts))
        raise ConflictError(f"{len(conflicts)} parameters conflict: {told}", hint=conflicts[0].hint)
