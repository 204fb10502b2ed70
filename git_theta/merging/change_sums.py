"""What heads changed of some parameters, and what a merge made of it: sums that add up over parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.merging.base import Contest
from git_theta.merging.numerics import numbers
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.inner_products import InnerProducts, Segment, subtract
from git_theta.tensors.lockstep import CHUNK, LockstepReader, recut
from git_theta.words import pluralize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ChangeFacts(NamedTuple):
    """How a merge lies to the changes that went into it: facts, of which none says whether it is good.

    Attributes:
        ratio: R, the length of merged - base over that of the longest change of a head; None where nothing was merged
            or changed.
        cosine: the mean over pairs of heads, of the cosine of their changes; None where there is no pair that changed.
        sign_conflicts: the share of elements that one head raised and another lowered; None where there is no element.
        parameters, elements: of how many; a complex element counts as two.
    """

    ratio: float | None
    cosine: float | None
    sign_conflicts: float | None
    parameters: int
    elements: int


class ChangeSums:
    """Sums over the elements of some parameters. Elements that are NaN or infinite in any version are left out.

    Args:
        heads: how many there are.

    Attributes:
        heads: as given.
        pairs: of heads, by their positions.
        products: inner products of their changes, and last that of the merge, with cosines between heads.
        contradictions: by pair of heads, how many elements one raised and the other lowered.
        opposed: how many elements any head raised and any other lowered.
        parameters, elements: how many were looked at; a complex element counts as two.
        nonfinite: how many elements are NaN or infinite: of each head, of the merge, and of the base.
    """

    def __init__(self, heads: int) -> None:
        self.pairs = list(combinations(range(heads), 2))
        self.products = InnerProducts(heads + 1, self.pairs)
        self.contradictions = dict.fromkeys(self.pairs, 0)
        self.opposed = self.parameters = self.elements = 0
        self.heads = heads
        self.nonfinite = [0] * (heads + 2)

    def include(self, other: ChangeSums) -> None:
        """Add those of other parameters, of the same heads."""
        self.products.include(other.products)
        for pair, count in other.contradictions.items():
            self.contradictions[pair] += count
        self.opposed += other.opposed
        self.parameters += other.parameters
        self.elements += other.elements
        self.nonfinite = [mine + its for mine, its in zip(self.nonfinite, other.nonfinite, strict=True)]

    def add(self, changes: Sequence[Segment | None]) -> None:
        """The next elements: the change of each head and of the merge; None for one that has none."""
        import numpy as np

        self.products.add(changes)
        heads = {head: one.values for head, one in enumerate(changes[: self.heads]) if one}
        raised = {head: values > 0 for head, values in heads.items()}  # a byte for each element, where a sign takes 8
        lowered = {head: values < 0 for head, values in heads.items()}
        for one, other in combinations(heads, 2):
            opposite = (raised[one] & lowered[other]) | (lowered[one] & raised[other])
            self.contradictions[one, other] += int(np.count_nonzero(opposite))
        if len(heads) > 1:
            opposed = np.logical_or.reduce([*raised.values()]) & np.logical_or.reduce([*lowered.values()])
            self.opposed += int(np.count_nonzero(opposed))

    def facts(self) -> ChangeFacts:
        """What they come to."""
        longest = max(range(self.heads), key=self.products.norm)
        cosines = [cosine for pair in self.pairs if (cosine := self.products.cosine(*pair)) is not None]
        return ChangeFacts(
            self.products.ratio(self.heads, longest),
            math.fsum(cosines) / len(cosines) if cosines else None,
            self.opposed / self.elements if self.elements else None,
            self.parameters,
            self.elements,
        )


def add_up_facts(sums: Iterable[ChangeSums]) -> ChangeFacts | None:
    """The facts of all of these parameters together; None where there are none."""
    total: ChangeSums | None = None
    for one in sums:
        total = total or ChangeSums(one.heads)
        total.include(one)
    return total.facts() if total else None


def facts_json(facts: ChangeFacts | None) -> dict[str, Any] | None:
    """The facts as an object; null where nothing was measured."""
    return facts and facts._asdict()


def describe_total(facts: ChangeFacts) -> str:
    """Of a file, with what R is."""
    what = f"{pluralize(facts.parameters, 'parameter')}, {pluralize(facts.elements, 'number')}"
    return f"{what}: {describe_facts(facts)} (R = |merged - base| / the longest |head - base|)"


def describe_facts(facts: ChangeFacts) -> str:
    """In a few words: R, cosine and sign conflicts, those that there are."""
    told = [
        ("R {:.4g}", facts.ratio),
        ("cosine of changes {:.4f}", facts.cosine),
        ("sign conflicts {:.1%}", facts.sign_conflicts),
    ]
    return ", ".join(form.format(value) for form, value in told if value is not None)


def sum_changes(contest: Contest, merged: Iterable[Buffer] | None = None) -> ChangeSums:
    """The sums of one parameter whose changes have numbers (``agreement.is_measurable``).

    Args:
        contest: changes are since its base, or from zero where it has none.
        merged: the merged tensor as it is stored, in pieces.

    Reads all tensors once, in constant memory.
    """
    import numpy as np

    found = ChangeSums(len(contest.branches))
    found.parameters, found.elements = 1, numbers(contest)
    versions = _open_versions(contest, merged)
    changing = [position for position in versions if position <= found.heads]
    reader = LockstepReader(contest.spec, len(versions))
    memory = [np.empty(CHUNK) for _ in changing]
    with np.errstate(all="ignore"):
        for chunks in zip(*(recut(each, reader.size) for each in versions.values()), strict=True):
            segments = reader.finite_values(reader.read_codes(chunks))
            if contest.base:
                segments = _subtract_last(segments, memory)
            changes: list[Segment | None] = [None] * (found.heads + 1)
            for position, segment in zip(changing, segments, strict=True):
                changes[position] = segment
            found.add(changes)
    for position, counts in zip(versions, reader.nonfinite, strict=True):
        found.nonfinite[position] = sum(counts)
    return found


def _open_versions(contest: Contest, merged: Iterable[Buffer] | None) -> dict[int, Iterator[Buffer]]:
    """The bytes of every version that there is: by the positions of heads, behind them the merge, and last the base."""
    heads = len(contest.branches)
    found = {position: branch.blocks() for position, branch in enumerate(contest.branches) if branch}
    if merged is not None:
        found[heads] = iter(merged)
    if contest.base:
        found[heads + 1] = contest.base.blocks()
    return found


def _subtract_last(segments: Sequence[Segment], memory: Sequence[NDArray[np.float64]]) -> list[Segment]:
    *values, base = segments
    return [subtract(value.values, base.values, out) for value, out in zip(values, memory, strict=True)]
