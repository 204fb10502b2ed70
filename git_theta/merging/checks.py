"""Whether a strategy can merge what is contested: asked before anything is read, so that nothing fails half way."""

from __future__ import annotations

import math
from typing import NoReturn

from git_theta.errors import ConflictError, UsageError
from git_theta.merging.base import STRATEGIES, Contest, Operand, Strategy
from git_theta.merging.companions import Companion
from git_theta.tensors.dtypes import DType
from git_theta.tensors.numbers import number_dtype
from git_theta.words import pluralize

FLOATING = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "C128", "C64", "C32")
"""Dtypes that can be computed with: torch casts them, and each element has a value of its own."""
INTEGERS = ("I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")
"""Dtypes that can be compared: each element is a whole number, or a flag, of its own."""
_CHOOSE = "Choose a side for it: ours, theirs or base."


def check_heads(strategy: Strategy, heads: int, weights: tuple[float, ...] | None) -> None:
    """Raise UsageError unless the strategy takes so many heads, and such weights."""
    low, high = strategy.heads
    if not low <= heads <= (high or heads):
        wanted = f"{low} heads" if low == high else f"at least {low} heads"
        raise UsageError(f"{strategy.name} merges {wanted}, not {heads}", hint="See docs/reference/strategies.md.")
    if weights is None:
        return
    if not strategy.takes_weights:
        raise UsageError(f"{strategy.name} takes no weights", hint="Leave them out, or choose weighted.")
    if len(weights) != heads:
        raise UsageError(
            f"{pluralize(len(weights), 'weight')} for {pluralize(heads, 'head')}", hint="Give one weight per head."
        )
    if not all(math.isfinite(weight) for weight in weights):
        raise UsageError(f"a weight is not finite: {weights}", hint="Give one finite number per head.")
    if not math.isfinite(sum(map(abs, weights))):
        raise UsageError(f"the weights add up to more than a number holds: {weights}", hint="Divide them all by one.")


def check_contest(strategy: Strategy, contest: Contest) -> None:
    """Raise ConflictError, naming the parameter, if its tensors cannot be merged; UsageError for options or weights."""
    check_heads(strategy, len(contest.branches), contest.weights)
    lacking = [position for position, branch in enumerate(contest.branches) if branch is None]
    if lacking and (not strategy.may_lack or len(lacking) == len(contest.branches)):
        _raise_conflict(
            contest, f"{_name_heads(lacking)} without it, others changed it", "Keep it or drop it: ours or theirs."
        )
    if strategy.needs_base and contest.base is None:
        _raise_conflict(
            contest,
            f"{strategy.name} works on changes since the merge base, which does not have it",
            "Choose a strategy without a base for it: average, slerp, ours ...",
        )
    if strategy.numeric:
        _check_specs(strategy, contest)
    for companion in strategy.companions:
        _check_companion(companion, strategy, contest)
    with STRATEGIES.guard(strategy.name):
        strategy.check(contest)


def _check_companion(companion: Companion, strategy: Strategy, contest: Contest) -> None:
    """Whether each head that has the parameter has its companion, of its shape, in numbers that are no wider."""
    found = contest.companions.get(companion.name, (None,) * len(contest.branches))
    pairs = list(zip(contest.branches, found, strict=True))
    if companion.is_optional and not any(found):
        return
    if lacking := [position for position, (branch, one) in enumerate(pairs) if branch and one is None]:
        what = f"{strategy.name} reads {companion.choose_pattern(contest.options)} ({companion.name}) of each head"
        _raise_conflict(contest, f"{what}, and {_name_heads(lacking)} without it", "Merge commits that have it.")
    for branch, one in pairs:
        if not branch or not one:
            continue
        narrow = number_dtype(one.spec.dtype).name != "F64" or number_dtype(branch.spec.dtype).name == "F64"
        if one.spec.shape != companion.find_shape(branch.spec.shape) or not is_floating(one.spec.dtype) or not narrow:
            _raise_conflict(
                contest, f"its {companion.name} is {_describe(one)}, and the parameter {_describe(branch)}", _CHOOSE
            )


def is_floating(dtype: DType) -> bool:
    """Whether numeric strategies can merge it."""
    return dtype.name in FLOATING


def _check_specs(strategy: Strategy, contest: Contest) -> None:
    operands = [*contest.branches, contest.base if strategy.needs_base else None]
    specs = {_describe(operand) for operand in operands if operand}
    if len(specs) > 1:
        _raise_conflict(contest, f"dtypes or shapes differ: {', '.join(sorted(specs))}", _CHOOSE)
    if not is_floating(contest.spec.dtype) and not (strategy.integers and contest.spec.dtype.name in INTEGERS):
        reason = f"{strategy.name} computes with numbers, and {contest.spec.dtype.name} {_explain(contest.spec.dtype)}"
        _raise_conflict(contest, reason, _CHOOSE)


def _describe(operand: Operand) -> str:
    return f"{operand.spec.dtype.name} {list(operand.spec.shape)}"


def _explain(dtype: DType) -> str:
    if dtype.kind in ("int", "uint", "bool"):
        return "values are counts, indices or flags: their mean means nothing"
    if dtype.kind == "blocks":
        return (
            f"values are codes in blocks of {dtype.block} with their scales: a result would have to be quantised anew"
        )
    return "values are codes: they mean nothing apart from their scales"


def _name_heads(positions: list[int]) -> str:
    spoken = ", ".join(str(position + 1) for position in positions)
    return f"head {spoken} is" if len(positions) == 1 else f"heads {spoken} are"


def _raise_conflict(contest: Contest, message: str, hint: str) -> NoReturn:
    raise ConflictError(message, hint=hint, parameter=contest.name)
