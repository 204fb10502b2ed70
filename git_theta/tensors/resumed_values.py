"""Values that are looked at before they are read: the first blocks are kept, and the reading goes on from there."""

from __future__ import annotations

from collections.abc import Iterator

from git_theta.tensors.arrays import Buffer
from git_theta.tensors.values import Values

_KEPT = 4
"""Blocks: as many as an update looks at to tell whether it pays."""


class ResumedValues:
    """Other values, where reading takes long: those of a chain are decoded link by link, and some blocks ahead.

    Updates look at the start of a base, one after the other, and then one of them reads all of it. For one thread.
    """

    def __init__(self, values: Values) -> None:
        self.spec = values.spec
        self.size = values.size
        self._values = values
        self._kept: list[Buffer] = []
        self._reading: Iterator[Buffer] | None = None
        self._is_whole = False

    def blocks(self, first: int = 0) -> Iterator[Buffer]:
        """As ``Values`` says. Who is the first to read beyond what is kept reads on; others begin anew."""
        if first:
            yield from self._values.blocks(first)
            return
        for at in range(_KEPT):
            if not self._keep_until(at):
                return
            yield self._kept[at]
        reading, self._reading = self._reading, None
        yield from self._values.blocks(_KEPT) if reading is None else reading

    def _keep_until(self, at: int) -> bool:
        """Have block number ``at`` kept; False where the values end before it."""
        while len(self._kept) <= at and not self._is_whole:
            self._reading = self._reading or self._values.blocks()
            try:
                self._kept.append(next(self._reading))
            except StopIteration:
                self._reading, self._is_whole = None, True
            except BaseException:  # what was read may not be the values
                self._reading, self._kept = None, []
                raise
        return at < len(self._kept)
