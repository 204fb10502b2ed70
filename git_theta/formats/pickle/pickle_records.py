"""What a pickle holds beside Python's own plain values, as inert records: nothing is imported or run for them (L10).

Mappings are lists of pairs, not dicts, since keys may be unhashable, and hashing chosen integers can be made to crawl.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Global:
    """A name that the pickle would import: a class or a function."""

    module: str
    name: str

    @property
    def path(self) -> str:
        """The dotted name, ``torch._utils._rebuild_tensor_v2``."""
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class PlacedBytes:
    """Bytes that stand in a file as they are, at ``offset``; ``content`` is None where they are too many to hold."""

    offset: int
    size: int
    content: bytes | None


@dataclass(frozen=True, slots=True)
class PersistentId:
    """An object that lies outside the pickle, by its id: for torch, a storage."""

    identity: object


@dataclass(eq=False, slots=True)
class PickledDict:
    """A dict: its pairs in the order in which they were set; None while it is empty, since that is smaller."""

    pairs: list[tuple[object, object]] | None = None


@dataclass(eq=False, slots=True)
class Call:
    """An object that the pickle would make by calling ``function``, and what it would then put into it.

    Attributes:
        function: what would be called, a ``Global`` in all but hostile pickles.
        arguments: what it would be called with.
        items: what would be appended or added to the result.
        pairs: what would be set in the result by key.
        state: what the result would take as its attributes or ``__setstate__``.
    """

    function: object
    arguments: tuple[object, ...]
    items: list[object] | None = None
    pairs: list[tuple[object, object]] | None = None
    state: object = None
