"""Merging from Python: tensors and state dicts in, the same out. What ``git theta merge`` does, without Git."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from git_theta.errors import ConflictError, UsageError
from git_theta.merging import options as declared
from git_theta.merging.base import STRATEGIES, Contest, Operand, Strategy
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.checks import check, check_heads
from git_theta.tensors.torch_values import spec_of, to_bytes, torch_dtype

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    StateDict = Mapping[str, Tensor]


class TensorOperand(Operand):
    """A torch tensor as an operand.

    Args:
        tensor: strided, of any dtype and shape, on any device.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor.detach().resolve_conj().resolve_neg()
        self.spec = spec_of(tensor)
        self.oid = hashlib.sha256(to_bytes(self.tensor)).hexdigest()

    def chunks(self) -> Iterator[Tensor]:
        yield self.tensor.reshape(-1)

    def copy(self) -> Tensor:
        """A tensor of the same bytes. Not ``clone``: it has no sub-byte dtypes, and makes any true boolean a 1."""
        import torch

        flat = self.tensor.reshape(-1)
        return flat.view(torch.uint8).clone().view(flat.dtype).reshape(self.tensor.shape)


def merge_tensors(
    strategy: str,
    branches: Sequence[Tensor],
    base: Tensor | None = None,
    weights: Sequence[float] | None = None,
    seed: int = 0,
    name: str = "",
    **options: Any,
) -> Tensor:
    """Merge one parameter.

    Args:
        strategy: its name: docs/reference/strategies.md has them, with options and sources.
        branches: the heads' tensors, ours first, of one shape and dtype.
        base: the tensor that they come from, of the same shape and dtype.
        weights: one per head; None for equal weights of 1, which task vectors are not normalised by.
        seed: of what is random.
        name: the parameter's name: part of what randomness depends on, and what ``smear`` finds its group by.
        **options: as the strategy declares them; ``lambda_`` for lambda.

    Returns:
        A new tensor of their shape and dtype, on the first branch's device. What only one branch changed, or all in
        the same way, is that, bit for bit. The same bytes on any device and for any number of threads.

    Raises:
        UsageError: no such strategy or option, a bad value, or heads and weights that the strategy does not take.
        ConflictError: tensors that the strategy cannot merge: integers, other dtypes or shapes, no base.
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
    branches: Sequence[StateDict],
    base: StateDict | None = None,
    weights: Sequence[float] | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    **options: Any,
) -> dict[str, Tensor]:
    """Merge checkpoints, parameter by parameter.

    Args:
        strategy: see ``merge_tensors``.
        branches: the heads' state dicts, ours first.
        base: the state dict that they come from. Without one, a parameter that only one head has counts as added.
        weights: see ``merge_tensors``.
        seed: see ``merge_tensors``.
        device: where to compute; None for where each parameter's first tensor is.
        **options: see ``merge_tensors``.

    Returns:
        Names in the order of the first branch, then what others added; new tensors, each on the device of the first
        branch that has it. A parameter that one branch removed and none changed is gone.

    Raises:
        UsageError: as ``merge_tensors``; or a value is no dense tensor.
        ConflictError: naming every parameter that cannot be merged; nothing has been computed then.
    """
    method = load_strategy(strategy)
    weighted = None if weights is None else tuple(map(float, weights))
    check_heads(method, len(branches), weighted)
    values = declared.parse_options(method.name, method.options, options)
    contests = [
        _contest(name, branches, base, device, weights=weighted, options=values, seed=seed)
        for name in dict.fromkeys(name for branch in [*branches, base or {}] for name in branch)
    ]
    return _merged(method, contests)


def _contest(
    name: str,
    branches: Sequence[StateDict],
    base: StateDict | None,
    device: torch.device | str | None,
    **rest: Any,
) -> Contest:
    operands = tuple(_operand(name, branch) for branch in branches)
    first = next((operand.tensor for operand in operands if operand), None)
    where = str(device if device is not None else first.device if first is not None else "cpu")
    return Contest(name, operands, _operand(name, base or {}), device=where, **rest)


def _operand(name: str, tensors: StateDict) -> TensorOperand | None:
    import torch

    tensor = tensors.get(name)
    if tensor is None and name not in tensors:
        return None
    if not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided or tensor.is_quantized:
        raise UsageError(
            f"{name!r} is no dense tensor but {type(tensor).__name__}",
            hint="Merge dense torch tensors; leave other values out.",
        )
    return TensorOperand(tensor)


def _merged(strategy: Strategy, contests: list[Contest]) -> dict[str, Tensor]:
    with STRATEGIES.guard(strategy.name):
        picked = {contest.name: strategy.pick(contest) for contest in contests}
    open_contests = [contest for contest in contests if picked[contest.name] is None]
    _check(strategy, open_contests)
    with STRATEGIES.guard(strategy.name):
        prepared = {contest.name: contest for contest in strategy.prepare(open_contests)}
    merged: dict[str, Tensor] = {}
    for name, settled in picked.items():
        if settled is None:
            merged[name] = _collected(
                prepared[name], STRATEGIES.guard_iterator(strategy.name, strategy.merge(prepared[name]))
            )
        elif isinstance(settled.operand, TensorOperand):
            merged[name] = settled.operand.copy()
    return merged


def _check(strategy: Strategy, contests: list[Contest]) -> None:
    """Raise one ConflictError for all contests that have one."""
    conflicts: list[ConflictError] = []
    for contest in contests:
        try:
            check(strategy, contest)
        except ConflictError as error:
            conflicts.append(error)
    if len(conflicts) == 1:
        raise conflicts[0]
    if conflicts:
        told = "; ".join(map(str, conflicts))
        raise ConflictError(f"{len(conflicts)} parameters conflict: {told}", hint=conflicts[0].hint)


def _collected(contest: Contest, chunks: Iterator[Tensor]) -> Tensor:
    import torch

    first = next(branch for branch in contest.branches if isinstance(branch, TensorOperand)).tensor
    merged = torch.empty(first.numel() * first.itemsize, dtype=torch.uint8, device=first.device)
    start = 0
    for chunk in chunks:
        raw = chunk.view(torch.uint8)
        merged[start : start + len(raw)] = raw
        start += len(raw)
    return merged.view(torch_dtype(contest.spec.dtype)).reshape(first.shape)
