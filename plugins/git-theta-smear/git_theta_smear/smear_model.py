"""A model that is merged anew for each example, from branches, as routers say; and one merge of what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from git_theta.errors import UsageError
from torch import Tensor, nn
from torch.func import functional_call, vmap

from git_theta_smear.expert_router import ExpertRouter
from git_theta_smear.expert_set import ExpertSet, Tensors, collect_experts

Query = Tensor | Mapping[str, Tensor]
"""What routers see of examples, (examples, features): the same for all groups, or by group."""
Value = TypeVar("Value")


class SmearModel(nn.Module):
    """Experts, and a router for each group of their parameters.

    ``parameters()`` and ``state_dict()`` are those of the routers alone: experts, and the model, are not trained.

    Attributes:
        experts: the experts.
        groups: the names of groups, in the order of the routers.
        routers: ``ExpertRouter``, one per group.
    """

    def __init__(self, model: nn.Module, experts: ExpertSet, features: int | Mapping[str, int], dropout: float) -> None:
        super().__init__()
        self._model = (model,)  # in a tuple, or its parameters would be ours, too
        self.experts = experts
        self.groups = tuple(dict.fromkeys(experts.groups.values()))
        sizes = [
            features if isinstance(features, int) else _look_up(features, group, "features") for group in self.groups
        ]
        self.routers = nn.ModuleList([ExpertRouter(len(experts.names), size, dropout) for size in sizes])

    @classmethod
    def from_branches(
        cls,
        base: nn.Module,
        branches: Mapping[str, Tensors],
        groups: Sequence[str] = (),
        *,
        features: int | Mapping[str, int],
        dropout: float = 0.1,
    ) -> SmearModel:
        """Experts from the branches of a repository.

        Args:
            base: the model, with the parameters that the experts come from: the merge base's. It is run in the mode
                that it is in (``base.eval()`` is the caller's).
            branches: the state dict of each expert, by its name: first that of the branch which is checked out when
                they are merged. They stay where they are, and are not copied.
            groups: globs over names of parameters, a group each, which routes together. Parameters that match none are
                a group with the others of their module.
            features: how many numbers routers see of an example; of one size, or by group.
            dropout: in training, the share of experts that do not count, drawn anew for each example.

        Raises:
            UsageError: experts that do not fit the model or each other, named; nothing to route; a group that matches
                nothing or has a comma; a group without features.
            ConflictError: what no strategy computes with (integers, codes with scales) was changed by two experts.
        """
        experts = collect_experts(base, branches, groups)
        return cls(base, experts, features, dropout).to(next(iter(experts.base.values())).device)

    def compute_weights(self, query: Query) -> dict[str, Tensor]:
        """By group, how much each expert counts: (examples, experts), fp32."""
        return {
            group: router(query if isinstance(query, Tensor) else _look_up(query, group, "the query"))
            for group, router in zip(self.groups, self.routers, strict=True)
        }

    def merge_examples(self, query: Query) -> dict[str, Tensor]:
        """Each routed parameter as each example has it: (examples, *its shape), in its dtype.

        Computed in fp32 (fp64 for fp64) and rounded once; gradients flow into the routers.
        """
        weights = self.compute_weights(query)
        return {name: self._mix_parameter(name, weights[group]) for name, group in self.experts.groups.items()}

    def forward(self, query: Query, *inputs: Tensor) -> Tensor:
        """What the model makes of each example, with the parameters that are merged for it.

        Args:
            query: what routers see of the examples.
            inputs: what the model is called with; the first dimension of each are the examples. The model sees them one
                by one, in batches of one, under ``torch.func.vmap``.

        Returns:
            The model's outputs (one tensor), with the examples as first dimension.
        """
        found: Tensor = vmap(self._run_example, randomness="different")(self.merge_examples(query), *inputs)
        return found

    def export_routing(self, query: Query) -> dict[str, Any]:
        """Options of the strategy ``smear`` that merge the experts as the routers do for these examples on average.

        By group, the logits are the logarithms of the mean of the examples' weights, in fp64. The merge is then the
        mean of the models that the examples have; for one example, it is its model.

        Returns:
            ``logits``, and ``groups`` where there are any, with commas between them, as command lines have them.
        """
        training = self.training
        with torch.no_grad():
            weights = self.eval().compute_weights(query)
        self.train(training)
        tiny = torch.finfo(torch.float64).tiny
        # Names without a star first: the strategy takes the first key that matches a group's name.
        logits = {
            group: weights[group].double().mean(0).clamp_min(tiny).log().tolist()
            for group in sorted(self.groups, key=self.experts.globs.__contains__)
        }
        return {**({"groups": ",".join(self.experts.globs)} if self.experts.globs else {}), "logits": logits}

    def bake(self, query: Query) -> dict[str, Tensor]:
        """One state dict for these examples: bit by bit what ``git theta merge`` makes of ``export_routing``."""
        return self.experts.merge(self.export_routing(query))

    def _mix_parameter(self, name: str, weights: Tensor) -> Tensor:
        """The sum of w_i x_i: (examples, experts) to (examples, *shape)."""
        stacked = torch.stack([tensors[name] for tensors in self.experts.experts])
        wide = torch.promote_types(stacked.dtype, weights.dtype)
        mixed: Tensor = torch.tensordot(weights.to(wide), stacked.to(wide), dims=1)
        return mixed.to(stacked.dtype)

    def _run_example(self, merged: Tensors, *inputs: Tensor) -> Tensor:
        tensors = {**self.experts.settled, **merged}
        found: Tensor = functional_call(self._model[0], tensors, tuple(one[None] for one in inputs))
        return found[0]


def _look_up(values: Mapping[str, Value], group: str, what: str) -> Value:
    """What is given for a group. Raises UsageError where nothing is."""
    if group not in values:
        known = ", ".join(map(repr, values)) or "nothing"
        raise UsageError(f"{what} has nothing for the group {group!r}, only for {known}", hint="Name every group.")
    return values[group]
