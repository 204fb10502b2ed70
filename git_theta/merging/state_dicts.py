"""Merging from Python: tensors and state dicts in, the same out. What ``git theta merge`` does, without Git.

Tensors are torch's or numpy's: on CUDA they are computed with there, by torch; elsewhere by numpy. Give and take by
name and dtype alone: neither library is imported for the other's tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from git_theta.errors import ConflictError
from git_theta.merging import options as declared
from git_theta.merging.base import STRATEGIES, Contest, Strategy
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.checks import check_contest, check_heads
from git_theta.merging.execution import library_for, merge_arrays
from git_theta.merging.given import GivenOperand, operand_of

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
    **options: Any,
) -> AnyTensor:
    """Merge one parameter.

    Args:
        strategy: its name: docs/reference/strategies.md has them, with options and sources.
        branches: the heads' tensors, torch's or numpy's, ours first, of one shape and dtype.
        base: the tensor that they come from, of the same shape and dtype.
        weights: one per head; None for equal weights of 1, which task vectors are not normalised by.
        seed: of what is random.
        name: the parameter's name: part of what randomness depends on, and what ``smear`` finds its group by.
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
    return _merge(method, [_contest(name, branches, base, device, method, make) for name in names])


def _contest(
    name: str,
    branches: Sequence[Mapping[str, Any]],
    base: Mapping[str, Any] | None,
    device: torch.device | str | None,
    strategy: Strategy,
    make: partial[Contest],
) -> Contest:
    operands = tuple([_operand(name, branch) for branch in branches])
    before = _operand(name, base or {})
    first = next((operand for operand in (*operands, before) if operand), None)
    where = str(device) if device is not None else first.device if first else "cpu"
    return make(name, operands, before, library=library_for(strategy, where))


def _operand(name: str, tensors: Mapping[str, Any]) -> GivenOperand | None:
    return operand_of(tensors[name], name) if name in tensors else None


def _merge(strategy: Strategy, contests: list[Contest]) -> dict[str, Any]:
    _keep_freed_chunks()
    with STRATEGIES.guard(strategy.name):
        picked = {contest.name: strategy.pick(contest) for contest in contests}
    open_contests = [contest for contest in contests if picked[contest.name] is None]
    _check(strategy, open_contests)
    with STRATEGIES.guard(strategy.name):
        prepared = {contest.name: contest for contest in strategy.prepare(open_contests)}
    merged: dict[str, Any] = {}
    for name, settled in picked.items():
        if settled is None:
            contest = prepared[name]
            first = next(branch for branch in contest.branches if isinstance(branch, GivenOperand))
            merged[name] = first.fill(merge_arrays(strategy, contest), contest.library)
        elif isinstance(settled.operand, GivenOperand):
            merged[name] = settled.operand.copy()
    return merged


def _keep_freed_chunks() -> None:
    """Have glibc keep the memory of one chunk's arrays for the next one's, 16 MB at most.

    Its thresholds follow the largest array that was freed. In a process that has freed none yet it gives each chunk's
    back to the kernel, and asks for new pages: merges took up to 2.6 times as long (measured, with all else as here).
    """
    import numpy as np

    np.empty(8 << 20, np.uint8)


def _check(strategy: Strategy, contests: list[Contest]) -> None:
    """Raise one ConflictError for all contests that have one."""
    conflicts: list[ConflictError] = []
    for contest in contests:
        try:
            check_contest(strategy, contest)
        except ConflictError as error:
            conflicts.append(error)
    if len(conflicts) == 1:
        raise conflicts[0]
    if conflicts:
        told = "; ".join(map(str, conflicts))
        raise ConflictError(f"{len(conflicts)} parameters conflict: {told}", hint=conflicts[0].hint)
