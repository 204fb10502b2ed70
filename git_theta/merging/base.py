"""The seam of a strategy: what is contested, and how it becomes one tensor.

Law (L9): ``merge`` gives the same bytes for any chunk size, thread count, array library and device, and for any order
of heads that carry their weights along. It computes in fp32 (fp64 for fp64) with separate elementwise operations in a
fixed order, rounds once, and holds a few chunks per head, never a tensor (L6). ``git_theta.merging.numerics`` does that
for you.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from git_theta.merging.companions import Companion
from git_theta.merging.options import Option
from git_theta.merging.planning.decisions import trivial_merge
from git_theta.registry import Family, make_instance
from git_theta.tensors.array_library import ArrayLibrary, Vector
from git_theta.tensors.arrays import Buffer, Parallel
from git_theta.tensors.numpy_library import NUMPY
from git_theta.tensors.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 1 << 16
"""Elements computed at a time: small enough for a core's cache, large enough to hide what a call costs."""

Takes = Literal["any", "numpy", "torch"]

Weights = tuple[float, ...] | None
"""How much each head counts; None: all alike."""


class Operand(ABC):
    """A tensor that can be read any number of times.

    Attributes:
        oid: SHA-256 of its bytes.
        spec: dtype and shape.
    """

    oid: str
    spec: Spec

    @abstractmethod
    def blocks(self) -> Iterator[Buffer]:
        """The values, row-major and little-endian, in pieces of whole elements, of any sizes."""

    def arrays(self, library: ArrayLibrary) -> Iterator[Vector]:
        """The same as stored arrays of a library (``ArrayLibrary``), which are never written to."""
        return map(partial(library.from_bytes, dtype=self.spec.dtype), self.blocks())

    def chunks(self) -> Iterator[Tensor]:
        """The same as torch tensors, for strategies that are written for torch."""
        from git_theta.tensors.torch_library import TorchLibrary

        return self.arrays(TorchLibrary())


class ContestHead(NamedTuple):
    """One branch's tensor within a contest.

    Attributes:
        oid, weight: what it is known by, and how much it counts.
        position: its index among the branches.
        occurrence: 0, or how many earlier heads have the same oid.
        operand: its values.
    """

    oid: str
    weight: float
    position: int
    occurrence: int
    operand: Operand


@dataclass
class ContestReport:
    """What a merge had to tell. Complete when the last chunk has been taken.

    Attributes:
        weights: the share of each branch by position, None for a branch without the parameter; () where the strategy
            has none to tell.
        facts: numbers by name: entropy, cosine, t ...
        nonfinite: elements that are NaN or infinite, by "base", "head 1" ..., "result"; nothing for a count of 0.
        notes: sentences.
        computed_by: the library, its version and that of what it multiplies matrices with, of a strategy that is not
            ``exact``.
    """

    weights: tuple[float | None, ...] = ()
    facts: dict[str, float] = field(default_factory=dict)
    nonfinite: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    computed_by: str = ""


@dataclass(frozen=True)
class Contest:
    """A contested parameter.

    Attributes:
        name: the parameter's.
        branches: each head's tensor in the order of heads, ours first; None for a head that lacks the parameter.
        base: the merge base's tensor, or None.
        weights: one per branch; None for equal weights of 1.
        options: every option of the strategy with its parsed value (``options.parse_options``).
        seed: of whatever is random.
        library: what to compute with, and where.
        chunk: elements computed at a time; the result does not depend on it.
        context: what the strategy's ``prepare`` found; None where this contest stands alone.
        companions: by the name of each that the strategy declares, each head's tensor of this name there, in the order
            of ``branches``; None for a head that lacks the parameter, and for all where it is optional and none has it.
        report: filled in while the result is taken.
    """

    name: str
    branches: tuple[Operand | None, ...]
    base: Operand | None = None
    weights: tuple[float, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    library: ArrayLibrary = NUMPY
    chunk: int = CHUNK
    context: Any = None
    companions: Mapping[str, tuple[Operand | None, ...]] = field(default_factory=dict)
    report: ContestReport = field(default_factory=ContestReport)

    @property
    def device(self) -> str:
        """Where to compute, as torch spells it."""
        return self.library.device

    @property
    def spec(self) -> Spec:
        """The dtype and shape of the first head that has the parameter."""
        return next(branch.spec for branch in self.branches if branch is not None)

    def heads(self) -> list[ContestHead]:
        """The heads that have the parameter, in the order of their contents: whoever comes first changes no byte."""
        weights = self.weights or (1.0,) * len(self.branches)
        found = sorted(
            (branch.oid, weight, self._companion_oids(position), position)
            for position, (branch, weight) in enumerate(zip(self.branches, weights, strict=True))
            if branch is not None
        )
        heads: list[ContestHead] = []
        for oid, weight, _, position in found:
            operand = self.branches[position]
            assert operand is not None
            heads.append(ContestHead(oid, weight, position, sum(head.oid == oid for head in heads), operand))
        return heads

    def companion(self, name: str, head: ContestHead) -> Operand:
        """A head's tensor in the companion of that name: of the shape that this declares, perhaps of another dtype."""
        found = self.companions[name][head.position]
        assert found, "asked before anything is merged: see git_theta.merging.checks"
        return found

    def has_companion(self, name: str) -> bool:
        """Whether the heads have tensors in the companion of that name, where it is optional."""
        return any(self.companions.get(name, ()))

    def _companion_oids(self, position: int) -> list[str]:
        """What tells heads apart that have the same tensor."""
        found = (self.companions[name][position] for name in sorted(self.companions))
        return [one.oid if one else "" for one in found]

    def trivial_result(self) -> PickResult | None:
        """What ids alone decide (L8): all alike, one side changed, all changed alike. None when values must decide."""
        _, source = trivial_merge(_identity(self.base), list(map(_identity, self.branches)))
        return None if source is None else PickResult(self.branches[source])


class PickResult(NamedTuple):
    """A result that was there already, bit for bit; None: the parameter is gone."""

    operand: Operand | None


@dataclass(frozen=True)
class Strategy(ABC):
    """How a contested parameter is merged: an algorithm and its declaration.

    Attributes:
        name: what people call it by.
        summary: one sentence: what it computes.
        source: the paper, or where else it comes from.
        options: what can be set.
        heads: how few and how many heads it takes; None for any number.
        needs_base: whether it works on changes since the merge base.
        takes_weights: whether heads may be weighted.
        numeric: whether it computes: then all tensors must be floating or complex, of one dtype and shape.
        integers: whether it computes with integers and booleans, too.
        pairs: whether it is given both factors of an adapter, also where ids settle one of them, for their product.
        may_lack: whether heads may lack the parameter; they are left out.
        details: paragraphs for the reference.
        exact: whether it gives the same bytes everywhere (L9). Strategies that need LAPACK say False: then some
            elements may differ by one unit in the last place between machines (see ``merging.arithmetic.matrices``).
        companions: files that it reads from each head's commit.
        array_library: what its formulas are written for. "any": the array API standard; they are given numpy arrays on
            a CPU, torch tensors on CUDA. "numpy" and "torch": that alone.
        api: the version of this seam that it is written for. A plug-in's class says ``api = 1`` itself.
    """

    api: ClassVar[int] = 1

    name: str
    summary: str
    source: str
    options: tuple[Option, ...] = ()
    heads: tuple[int, int | None] = (2, None)
    needs_base: bool = False
    takes_weights: bool = False
    numeric: bool = True
    integers: bool = False
    pairs: bool = False
    may_lack: bool = False
    details: str = ""
    exact: bool = True
    array_library: Takes = "torch"
    companions: tuple[Companion, ...] = ()

    def shares(self, weights: Weights, options: Mapping[str, Any]) -> Weights:  # noqa: ARG002
        """How much each head counts in a plain mean beside what it computes; None: all alike."""
        return weights

    def check(self, contest: Contest) -> None:  # noqa: B027 (most have nothing to add)
        """Raise UsageError for options that do not suit the contest, beyond what their declaration says."""

    def pick(self, contest: Contest) -> PickResult | None:
        """The result, where it is one of the tensors that are there already. Loads nothing."""
        return contest.trivial_result()

    def prepare(self, contests: Sequence[Contest], parallel: Parallel = map) -> Sequence[Contest]:  # noqa: ARG002
        """The contests with what merging each must know of all of them. Reads in constant memory.

        Args:
            contests: all that one checkpoint has for this strategy with the same options, weights, seed and device,
                each with a name of its own; they have passed ``checks.check_contest``, and ``pick`` did not settle
                them.
            parallel: how to map over what can be looked at side by side.
        """
        return contests

    @abstractmethod
    def merge(self, contest: Contest) -> Iterator[Vector]:
        """The result, row-major, as stored arrays of the contest's library (``ArrayLibrary``).

        Args:
            contest: as ``prepare`` returned it; contests may be merged in any order, and side by side.
        """


STRATEGIES = Family("merges", make_instance(Strategy))


def _identity(operand: Operand | None) -> tuple[str, Spec] | None:
    return (operand.oid, operand.spec) if operand else None
