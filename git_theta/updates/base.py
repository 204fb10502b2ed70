"""The seam of an update: the values of a tensor to arrays relative to an update base, and back, block by block.

Laws, which ``git_theta.testing.updates`` checks for every update:

- Exact: ``decode(at, encode(at, block, base_block), base_block) == block`` for every bit pattern (L1, L3).
- Pure: encoding and decoding a block depends on their arguments alone, so blocks are mapped over cores in any order.
- Bounded: a tensor is never held whole (L6). A block has BLOCK bytes, the last one of a tensor fewer.

A block of the base holds the same elements as the block of the tensor: those are other bytes where the dtypes differ,
and fewer, or none, where the base is shorter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from git_theta.registry import Family, make_instance
from git_theta.tensors.arrays import Arrays, Buffer
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import Values

BaseKind = Literal["none", "same-spec", "any"]
"""What an update builds on: nothing; a tensor of the same dtype and shape; any tensor."""


SEARCH_BUDGET = "search_budget"
"""The setting that says how many seconds of a processor, per GB of values, looking for something may take; where it is
not there, any number. What a search takes must be told from its input, never from a clock (L2)."""


class Coder(ABC):
    """Turns the blocks of one tensor into arrays.

    Attributes:
        head: lists of arrays that are stored before those of the blocks: factors, scales. A long one is cut: the arrays
            of a list have at most 1 MiB together.
        options: what the manifest must tell the decoder; values are JSON without fractions.
        serializer: name of the one that suits its arrays, where a person asks for no other.
        is_cheap: whether a block takes less time than handing it to another core.
    """

    head: Iterable[Arrays] = ()
    options: Mapping[str, Any] = {}
    serializer = "planes"
    is_cheap = False

    @abstractmethod
    def encode(self, at: int, block: Buffer, base_block: Buffer) -> Arrays:
        """The arrays that stand for block number ``at``; ``base_block`` is b"" without a base."""


class Decoder(ABC):
    """Turns arrays into the blocks of one tensor.

    Attributes:
        is_cheap: whether a block takes less time than handing it to another core.
    """

    is_cheap = False

    @abstractmethod
    def decode(self, at: int, arrays: Arrays, base_block: Buffer) -> Buffer:
        """Block number ``at``. Raises CorruptObject when these cannot be any block's arrays."""


class Update(ABC):
    """Stateless.

    Attributes:
        name: what manifests call it.
        options: names of the options that it stores in manifests.
        base: what it builds on.
        api: the version of this seam that it is written for. A plug-in says ``api = 1`` itself.
    """

    name: str
    api: int = 1
    options: tuple[str, ...] = ()
    base: BaseKind = "none"

    @abstractmethod
    def coder(self, values: Values, base: Values | None, settings: Mapping[str, Any]) -> Coder | None:
        """What encodes ``values`` relative to ``base``; None where it would not pay.

        It may read both, a bounded number of times. ``base`` is of the kind that the update asks for, or None for an
        update without one. What it decides depends on bytes and ``settings`` alone (L2).
        """

    @abstractmethod
    def decoder(self, spec: Spec, stored: Iterator[Arrays], options: Mapping[str, Any]) -> Decoder:
        """What decodes the blocks of a tensor of that spec.

        It takes its head, and nothing more, from ``stored``: all lists of the payload. Raises CorruptObject when that
        cannot be a head, or those not be options that it wrote.
        """


UPDATES = Family("updates", make_instance(Update))
