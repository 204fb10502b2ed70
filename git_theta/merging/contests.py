"""Contested parameters as strategies see them: entries whose values can be read any number of times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from git_theta.manifest.model import Entry
from git_theta.merging.base import Contest, Operand
from git_theta.merging.planning.decisions import Decision, Entries
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec, spec_fits

Read = Callable[[Entry], Iterator[Buffer]]
"""The bytes of an entry, in pieces of whole elements, verified."""


class StoredOperand(Operand):
    """A parameter in the store."""

    def __init__(self, entry: Entry, read: Read) -> None:
        self.entry = entry
        self.oid = entry.oid
        self.spec = Spec(BY_NAME[entry.dtype], entry.shape)
        self._read = read

    def blocks(self) -> Iterator[Buffer]:
        return self._read(self.entry)


def contest_of(decision: Decision, read: Read, **rest: Any) -> Contest | None:
    """The decision as a contest, or None where no values can settle it: ties that differ, a dtype that is not ours,
    bytes that are not as many as dtype and shape say.

    A base of another dtype or shape is left out: changes since it cannot be computed.
    """
    heads = [_operand(held, read) for held in decision.heads]
    if any(len(held) > 1 or not _fit(held) for held in (*decision.heads, decision.base)) or not any(heads):
        return None
    spec = next(head.spec for head in heads if head)
    base = _operand(decision.base, read)
    return Contest(decision.name, tuple(heads), base if base and base.spec == spec else None, **rest)


def _operand(held: Entries, read: Read) -> StoredOperand | None:
    return StoredOperand(held[0], read) if held and held[0].dtype in BY_NAME else None


def _fit(held: Entries) -> bool:
    return all(spec_fits(entry.dtype, entry.shape, entry.size) for entry in held)
