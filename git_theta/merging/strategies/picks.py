"""One of the tensors that are there already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from git_theta.merging.base import Contest, PickResult, Strategy, Takes
from git_theta.tensors.array_library import Vector


@dataclass(frozen=True)
class Pick(Strategy):
    """Takes the tensor of one branch, or of the base.

    Attributes:
        position: which branch; None for the base.
    """

    array_library: Takes = "any"
    position: int | None = None

    def pick(self, contest: Contest) -> PickResult | None:
        if self.position is not None:
            return contest.trivial_result() or PickResult(contest.branches[self.position])
        return contest.trivial_result() or (PickResult(contest.base) if contest.base else None)

    def merge(self, contest: Contest) -> Iterator[Vector]:
        picked = self.pick(contest)
        yield from picked.operand.arrays(contest.library) if picked and picked.operand else ()


_SOURCE = "Git's own merge options -Xours and -Xtheirs"

OURS = Pick(
    "ours",
    "The tensor of the branch that is merged into, the first head.",
    _SOURCE,
    numeric=False,
    may_lack=True,
    position=0,
)
THEIRS = Pick(
    "theirs",
    "The tensor of the branch that is merged, the second of two heads.",
    _SOURCE,
    heads=(2, 2),
    numeric=False,
    may_lack=True,
    position=1,
)
BASE = Pick(
    "base",
    "The tensor as it was at the merge base: both changes are dropped.",
    _SOURCE,
    needs_base=True,
    numeric=False,
    may_lack=True,
)
