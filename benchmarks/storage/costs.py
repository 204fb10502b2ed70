"""What is stored, and what that takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from benchmarks.delta_ratios import Tensors
from benchmarks.storage.file_parts import read_parts

T = TypeVar("T")


class VersionPair(NamedTuple):
    """Two versions of a checkpoint.

    Attributes:
        name: what lies between them.
        base, tuned: the earlier one, which is there; the later one, which is to be stored.
        adapter: the folder of the adapter that was merged into the earlier one, where it is that.
    """

    name: str
    base: Path
    tuned: Path
    adapter: Path | None = None

    def read(self) -> tuple[Tensors, Tensors]:
        """The tensors of both, the base's first, and what lies between them: see ``read_parts``."""
        return read_parts(self.base), read_parts(self.tuned)

    def size(self) -> int:
        """Bytes of the later one."""
        return self.tuned.stat().st_size


class Cost(NamedTuple):
    """What storing the later version took.

    Attributes:
        size: bytes.
        encoding, decoding: seconds of processors, on all cores together; 0 where that was not measured.
        is_exact: whether the same bytes came back.
    """

    size: int
    encoding: float = 0
    decoding: float = 0
    is_exact: bool = True


Way = Callable[[VersionPair, Path], Cost]
"""Stores the later version of a pair; may write below an empty folder."""


def time_call(call: Callable[[], T]) -> tuple[T, float]:
    """What a call returns, and the seconds of processors that it takes, of all its threads."""
    start = time.process_time()
    result = call()
    return result, time.process_time() - start
