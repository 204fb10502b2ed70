"""What a `git theta merge` is asked for, and which heads, base and weights that comes to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import UsageError
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.vcs.heads import HEAD, Head, independent_heads, merge_base, resolve_head, resolve_heads
from git_theta.words import pluralize


class MergeRequest(NamedTuple):
    """A merge as the command line, or a recipe, asks for it.

    Attributes:
        heads: revisions; HEAD is merged too, unless it is in their history.
        asked: how to merge them; weights are in the order of ``heads`` where those are all, else HEAD's first.
        base: a revision to measure changes from; None for the merge base.
        all_named: whether ``heads`` are all there is to merge: HEAD has to be one of them, or in their history.
        dtype: what contested tensors have to be; None for anything.
    """

    heads: tuple[str, ...]
    asked: MergeOptions = MergeOptions()
    base: str | None = None
    all_named: bool = False
    dtype: str | None = None


class MergeInputs(NamedTuple):
    """What is merged.

    Attributes:
        heads: those that are not in each other's history: HEAD first, if it is one of them.
        base: the commit that changes are measured from; None where the heads have no commit in common.
        weights: one per head, or None.
        labels: what plans and reports call the heads.
    """

    heads: tuple[Head, ...]
    base: Head | None
    weights: tuple[float, ...] | None
    labels: tuple[str, ...]

    @property
    def others(self) -> tuple[Head, ...]:
        """The heads but HEAD."""
        return tuple([head for head in self.heads if head.name != HEAD])


def gather_inputs(request: MergeRequest, top: Path) -> MergeInputs:
    """What a request asks to merge. Raises UsageError for what is no commit, and for weights that do not fit."""
    own, *asked = resolve_heads([HEAD, *request.heads], top)
    heads, weights = (
        _recipe_heads(request, own, asked, top) if request.all_named else _independent_heads(request, own, asked, top)
    )
    check_weights(weights, heads, "head")
    base = request.base or merge_base(heads, top)
    return MergeInputs(tuple(heads), resolve_head(base, top) if base else None, weights, label_heads(heads))


def check_weights(weights: Sequence[float] | None, heads: Sequence[Head], noun: str) -> None:
    """Raise UsageError for weights that are not one finite number for each head; ``noun``: what people call a head."""
    if weights is None:
        return
    names = ", ".join(head.name for head in heads)
    if len(weights) != len(heads):
        raise UsageError(
            f"{pluralize(len(weights), 'weight')} for {pluralize(len(heads), noun)}",
            hint=f"Give one per {noun}, in this order: {names}",
        )
    for weight, head in zip(weights, heads, strict=True):
        if not math.isfinite(weight):
            raise UsageError(f"the weight of {head.name} is {weight}", hint="Weights are finite numbers.")


WeightedHeads = tuple[list[Head], tuple[float, ...] | None]


def _independent_heads(request: MergeRequest, own: Head, asked: Sequence[Head], top: Path) -> WeightedHeads:
    return independent_heads([own, *asked], top), request.asked.settings.weights


def _recipe_heads(request: MergeRequest, own: Head, asked: Sequence[Head], top: Path) -> WeightedHeads:
    """The heads of a recipe: none may drop out, as its weights would then mean something else."""
    kept = independent_heads([own, *asked], top)
    commits = [head.commit for head in asked]
    dropped = [head.name for head in asked if head.commit not in {one.commit for one in kept}]
    if dropped or len(set(commits)) < len(commits):
        raise UsageError(
            f"{dropped[0] if dropped else 'one of the models'} is in the history of another model, or is the same",
            hint="There is nothing in it to merge. Leave it out.",
        )
    if own.commit not in commits and own in kept:
        raise UsageError(
            "what is checked out is no model of the recipe", hint="Check out one of the models, or what they come from."
        )
    if request.asked.strategy == "slerp" and own.commit != commits[0]:
        raise UsageError("slerp goes from base_model, which is not checked out", hint=f"git switch {asked[0].name}")
    weights = request.asked.settings.weights or (1.0,) * len(asked)
    order = sorted(range(len(asked)), key=lambda index: commits[index] != own.commit)
    heads = [own if commits[index] == own.commit else asked[index] for index in order]
    return heads, request.asked.settings.weights and tuple([weights[index] for index in order])


def label_heads(heads: Sequence[Head]) -> tuple[str, ...]:
    """What plans and reports call these heads."""
    if len(heads) == 2 and heads[0].name == HEAD:
        return "ours", "theirs"
    names = tuple([head.name for head in heads])
    fit = len(set(names)) == len(names) and "base" not in names
    return names if fit else tuple([f"head {number}" for number in range(1, len(names) + 1)])
