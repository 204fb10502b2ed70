"""Blocks of an update base beside the blocks of a tensor: the same elements in both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from git_theta.tensors.arrays import BLOCK, Buffer
from git_theta.tensors.spec import Spec


def aligned_step(spec: Spec, base: Spec) -> int | None:
    """Bytes of ``base`` that hold as many elements as a block of ``spec``; None where no whole number of them does."""
    if spec.dtype == base.dtype:
        return BLOCK
    # BLOCK elements take so many bytes, so BLOCK bytes hold so many elements.
    elements, rest = divmod(BLOCK * BLOCK, Spec(spec.dtype, (BLOCK,)).nbytes)
    whole = Spec(base.dtype, (elements,)).nbytes
    return None if rest or 2 * whole != Spec(base.dtype, (2 * elements,)).nbytes else whole


def recut_blocks(blocks: Iterable[Buffer], step: int) -> Iterator[Buffer]:
    """The same bytes in pieces of ``step`` bytes, the last one shorter. What lies in one block is not copied."""
    waiting = bytearray()
    for block in blocks:
        view, at = memoryview(block), 0
        while at < len(view):
            piece = view[at : at + step - len(waiting)]
            at += len(piece)
            if len(piece) == step:
                yield piece
                continue
            waiting += piece
            if len(waiting) == step:
                yield bytes(waiting)
                waiting.clear()
    if waiting:
        yield bytes(waiting)
