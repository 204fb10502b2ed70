"""Experts that come from one base, and which of their parameters are routed: what a merge would ask ``smear`` for.

What only one expert changed, and what is no weight (counters, running statistics), every merge settles by itself; so
here, too, or what a router is trained on would not be what ``git theta merge`` makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from git_theta import merge_state_dicts
from git_theta.errors import UsageError
from git_theta.merging.given_operands import operand_of
from git_theta.merging.planning.decisions import trivial_merge
from git_theta.merging.policies.kinds import find_kind
from git_theta.merging.strategies.smear import group_of
from torch import Tensor, nn

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class ExpertSet:
    """Experts, and what they come from.

    Attributes:
        names: of the experts: of their branches, the one that is checked out first.
        globs: groups that were declared.
        base: the tensors that the experts come from; of tied names, the first alone.
        experts: the tensors of each, by name, likewise.
        groups: by the name of each routed parameter, its group.
        settled: tensors that no router decides about, by name.
        spellings: the names that checkpoints have, and of each the name that it goes by here.
    """

    names: tuple[str, ...]
    globs: tuple[str, ...]
    base: Tensors
    experts: tuple[Tensors, ...]
    groups: Mapping[str, str]
    settled: Tensors
    spellings: Mapping[str, str]

    def merge(self, options: Mapping[str, Any]) -> dict[str, Tensor]:
        """The engine's merge of all of them by the strategy ``smear``, under the names that checkpoints have."""
        merged = _merge_experts(self.experts, self.base, options)
        return {spelled: merged[name] for spelled, name in self.spellings.items()}


def collect_experts(model: nn.Module, branches: Mapping[str, Tensors], globs: Sequence[str]) -> ExpertSet:
    """The experts of a model, looked at.

    Args:
        model: its tensors are what the experts come from.
        branches: the tensors of each expert by name, as its checkpoint has them; none is copied.
        globs: see ``SmearModel.from_branches``.

    Raises UsageError for experts that do not fit the model, that differ in nothing that is routed, and for globs that
    match nothing or that a command line could not spell; ConflictError for what no strategy settles.
    """
    there, ties = model.state_dict(), _find_ties(model)
    for expert, tensors in branches.items():
        _check_names(expert, tensors, there, ties)
        _check_shapes(expert, tensors, there)
    base, *experts = (
        {name: one.detach() for name, one in tensors.items() if name not in ties}
        for tensors in (there, *branches.values())
    )
    averaged = _merge_experts(experts, base, {"scores": [0.0] * len(experts)})
    groups = {name: group_of(name, globs) for name in averaged if _is_routed(name, base, experts)}
    _check_groups(groups, globs)
    settled = {name: one for name, one in averaged.items() if name not in groups}
    spellings = {name: ties.get(name, name) for tensors in branches.values() for name in tensors}
    return ExpertSet(tuple(branches), tuple(globs), base, tuple(experts), groups, settled, spellings)


def _check_groups(groups: Mapping[str, str], globs: Sequence[str]) -> None:
    """Raise UsageError where nothing is routed, and for a glob that matches nothing or has a comma."""
    if not groups:
        raise UsageError("no parameter was changed by two experts", hint="There is nothing to route: merge them.")
    if spelled := [glob for glob in globs if "," in glob]:
        raise UsageError(f"a group has a comma: {spelled[0]!r}", hint="git theta merge separates groups by commas.")
    if idle := [glob for glob in globs if glob not in groups.values()]:
        told = f"no parameter that is routed is in the group {idle[0]!r}"
        raise UsageError(told, hint=f"Routed are: {', '.join(groups)}")


def _merge_experts(experts: Sequence[Tensors], base: Tensors, options: Mapping[str, Any]) -> dict[str, Tensor]:
    return merge_state_dicts("smear", experts, base, **options)


def _find_ties(model: nn.Module) -> dict[str, str]:
    """Names that share a parameter with an earlier name, and that one."""
    first: dict[int, str] = {}
    named = model.named_parameters(remove_duplicate=False)
    found = {name: first.setdefault(id(parameter), name) for name, parameter in named}
    return {name: earlier for name, earlier in found.items() if name != earlier}


def _check_names(expert: str, tensors: Tensors, base: Tensors, ties: Mapping[str, str]) -> None:
    """Raise UsageError unless the expert has the model's parameters, and no others, tied as they are."""
    if lacking := sorted(base.keys() - tensors.keys() - ties.keys()):
        raise UsageError(f"{expert} lacks {lacking[0]}, which the model has", hint="Experts are whole state dicts.")
    if beyond := sorted(tensors.keys() - base.keys()):
        raise UsageError(
            f"{expert} has {beyond[0]}, which the model lacks", hint="Experts are state dicts of the model."
        )
    for name in ties.keys() & tensors.keys():
        if not torch.equal(tensors[name], tensors[ties[name]]):
            raise UsageError(
                f"{name} is not {ties[name]} in {expert}, and one parameter in the model",
                hint="Tie them, or untie them.",
            )


def _check_shapes(expert: str, tensors: Tensors, base: Tensors) -> None:
    """Raise UsageError for a tensor whose shape or dtype is not the model's."""
    for name, tensor in tensors.items():
        there, wanted = _describe(tensor), _describe(base[name])
        if there != wanted:
            raise UsageError(
                f"{name} is {there} in {expert}, and {wanted} in the base",
                hint="Only what has one shape can be merged.",
            )


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _is_routed(name: str, base: Tensors, experts: Sequence[Tensors]) -> bool:
    """Whether ids leave it to a strategy, and it is a weight."""
    operands = [operand_of(tensors[name], name) for tensors in (base, *experts)]
    _, source = trivial_merge(operands[0].oid, [one.oid for one in operands[1:]])
    return source is None and find_kind([name], operands[0].spec.dtype.name) is None
