"""What a merge has to tell people at once, before its result goes anywhere: a sentence a thing, not a parameter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from git_theta.merging.policies.kinds import KINDS
from git_theta.merging.policies.treatments import is_merged_apart
from git_theta.operations.merging.merge_results import AppliedStrategy, MergeResult
from git_theta.words import join_some, pluralize


def describe_remarks(merged: MergeResult) -> Iterator[str]:
    """The sentences, for stderr: about tensors that are no weights, adapters, and numbers that are not finite."""
    yield from _describe_kinds(merged)
    yield from _describe_adapters(merged)
    yield from _describe_nonfinite(merged)


def _describe_kinds(merged: MergeResult) -> Iterator[str]:
    counts = Counter(applied.kind for applied in merged.applied if applied.kind)
    for name in (name for name in KINDS if name in counts):
        found = pluralize(counts[name], name)
        yield f"{found}: {KINDS[name].treatment}, whatever strategy the weights have"


def _describe_adapters(merged: MergeResult) -> Iterator[str]:
    apart = Counter(one.choice.strategy for one in merged.applied if is_merged_apart(one.decision, one.choice))
    for strategy, count in apart.items():
        yield (
            f"{pluralize(count, 'adapter')}: {strategy} of the factors A and B, each by itself, is not that of their "
            "products, which are the updates; adapter-svd merges the products"
        )


def _describe_nonfinite(merged: MergeResult) -> Iterator[str]:
    """NaN and infinite numbers by who brings them. That they were there before is no news."""
    found: dict[str, list[AppliedStrategy]] = {}
    for applied in merged.applied:
        counted = applied.report.nonfinite
        if counted.get("base", 0) < max(counted.values(), default=0):
            for label in counted:
                found.setdefault(label, []).append(applied)
    for label, several in found.items():
        total = sum(applied.report.nonfinite[label] for applied in several)
        names = join_some([applied.decision.name for applied in several])
        yield f"{pluralize(total, 'NaN or infinite number')} in {_name_version(label, merged)}: {names}"


def _name_version(label: str, merged: MergeResult) -> str:
    """A version as the plan calls it; reports count heads from 1."""
    kind, _, number = label.partition(" ")
    labels = merged.plan.labels
    if kind == "head" and number.isdigit() and 0 < int(number) <= len(labels):
        return labels[int(number) - 1]
    return {"base": "the merge base", "result": "the merged tensors"}.get(label, label)
