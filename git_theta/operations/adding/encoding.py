"""One part hashed and, if it is new, encoded and put."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from git_theta.errors import ChangedFile, CorruptObject, MissingObject
from git_theta.manifest.model import Coding, Entry, Place, Storage
from git_theta.operations.adding.bundle import SMALL_PAYLOAD
from git_theta.operations.adding.encoding_hint import NO_HINT, EncodingHint
from git_theta.operations.adding.part_label import NO_LABEL, PartLabel
from git_theta.operations.adding.update_bases import UpdateBases
from git_theta.operations.context import Context
from git_theta.parameters.stored_values import StoredValues
from git_theta.parameters.value_encoding import Encoding, encode_values
from git_theta.store.base import Store
from git_theta.store.series import put_series
from git_theta.tensors.arrays import Buffer, Parallel
from git_theta.tensors.digest import hash_values
from git_theta.tensors.values import MemoryValues, Values

FindStorage = Callable[[str, str, tuple[int, ...]], Storage | None]
"""The storage of a part that is stored already, by its oid, dtype and shape."""


class EncodedPart(NamedTuple):
    """A hashed part: with its storage, or with a small payload and how it becomes values again.

    ``is_new``: its storage has only now come to be.
    """

    oid: str
    size: int
    storage: Storage | None
    coding: Coding | None = None
    payload: bytes = b""
    is_new: bool = False

    def builds_on(self, oid: str) -> bool:
        """Whether the values of that hash are among its update bases."""
        coding = self.storage.coding if self.storage else self.coding
        return coding is not None and any(link.oid == oid for link in coding.chain)


class PartEncoder:
    """Hashes parts; encodes and puts those that ``known`` does not find, on what ``bases`` finds. Thread-safe.

    What is encoded is hashed in the same reading, or held in memory: a file that changes meanwhile can give a part that
    it never had as a whole, but none that does not come back as its hash says.
    """

    def __init__(self, context: Context, known: FindStorage, bases: UpdateBases | None = None) -> None:
        self._context = context
        self._known = known
        self._bases = bases

    def encode_whole(self, values: Values, label: PartLabel = NO_LABEL, hint: EncodingHint = NO_HINT) -> EncodedPart:
        """A part that is small enough to be held: hashed, then encoded if it is new. Waits for nobody."""
        data = b"".join(values.blocks())
        oid = hashlib.sha256(data).hexdigest()
        self._context.progress(len(data))
        if storage := self._known(oid, label.dtype, label.shape):
            return EncodedPart(oid, len(data), storage)
        base = self._find_base(label, len(data), map, oid)
        part = self._put_values(MemoryValues(values.spec, data), map, label, base, hint)
        return part._replace(oid=oid, size=len(data))

    def encode_streamed(
        self,
        values: Values,
        parallel: Parallel,
        label: PartLabel = NO_LABEL,
        hint: EncodingHint = NO_HINT,
        oid: str = "",
    ) -> EncodedPart:
        """A part that is probably new: hashed while it is encoded. ``oid``: its hash, where somebody knows it."""
        hashed = _HashedValues(values, self._context.progress)
        part = self._put_values(hashed, parallel, label, self._find_base(label, values.size, parallel, oid), hint)
        part = prefer_known(part._replace(oid=hashed.oid, size=values.size), label, self._known)
        if part.builds_on(part.oid):  # it was so before: nothing is its own update base
            part = self._put_values(hashed, parallel, label, None)._replace(oid=hashed.oid, size=values.size)
        return part

    def encode_again(self, entry: Entry, parallel: Parallel) -> EncodedPart:
        """A part that is stored, once more: on the base that it has now."""
        label = PartLabel.of_entry(entry)
        base = self._find_base(label, entry.size, parallel, entry.oid)
        part = self._put_values(StoredValues(entry, self._context.store, parallel), parallel, label, base)
        return part._replace(oid=entry.oid, size=entry.size)

    def encode_if_new(
        self, values: Values, parallel: Parallel, label: PartLabel = NO_LABEL, hint: EncodingHint = NO_HINT
    ) -> EncodedPart:
        """A part that is probably known: hashed alone; read again and encoded only when it is new after all.

        Raises ChangedFile when the second reading gives other bytes.
        """
        oid = hash_values(values)
        if storage := self._known(oid, label.dtype, label.shape):
            self._context.progress(values.size)
            return EncodedPart(oid, values.size, storage)
        part = self.encode_streamed(values, parallel, label, hint, oid)
        if part.oid != oid:
            raise ChangedFile("the file changed while it was being added", hint="Repeat the command.")
        return part

    def _find_base(self, label: PartLabel, size: int, parallel: Parallel, oid: str = "") -> StoredValues | None:
        return self._bases.find_base(label.name, size, parallel, oid) if self._bases else None

    def _put_values(
        self,
        values: Values,
        parallel: Parallel,
        label: PartLabel,
        base: StoredValues | None,
        hint: EncodingHint = NO_HINT,
    ) -> EncodedPart:
        """Encode and put them; without their base where that turns out to be damaged, which is noted."""
        preferences = self._context.preferences()
        encoding = encode_values(values, parallel, preferences, base, hint.settings_on(base))
        problem = encoding.warning
        try:
            return put_encoding(encoding, self._context.store)
        except (CorruptObject, MissingObject) as error:
            if not encoding.coding.chain:
                raise
            problem = error.message
        finally:
            if problem and self._bases:
                self._bases.note_damage(label.name or "", problem)
        return put_encoding(encode_values(values, parallel, preferences), self._context.store)


def put_encoding(encoding: Encoding, store: Store) -> EncodedPart:
    """Put a large payload; hand back a small one, for a bundle. The part has no hash yet."""
    held: list[Buffer] = []
    size = 0
    for piece in encoding.payload:
        held.append(piece)
        size += len(piece)
        if size >= SMALL_PAYLOAD:
            place = Place.of_objects(put_series(store, chain(held, encoding.payload)))
            return EncodedPart("", 0, Storage(encoding.coding, place), is_new=True)
    return EncodedPart("", 0, None, encoding.coding, b"".join(held))


def prefer_known(part: EncodedPart, label: PartLabel, known: FindStorage) -> EncodedPart:
    """What is known keeps its storage, even if we hear of it only now (L2)."""
    storage = known(part.oid, label.dtype, label.shape)
    return EncodedPart(part.oid, part.size, storage) if storage else part


class _HashedValues:
    """Values that are hashed while they are read.

    Attributes:
        oid: of what the last whole reading gave: the one that encodes. Those before it looked at single blocks.
    """

    def __init__(self, values: Values, progress: Callable[[int], None]) -> None:
        self.spec = values.spec
        self.size = values.size
        self.oid = ""
        self._values = values
        self._progress = progress
        self._reported = 0

    def blocks(self, first: int = 0) -> Iterator[Buffer]:
        """As ``Values`` says."""
        return self._values.blocks(first) if first else self._hash_blocks()

    def _hash_blocks(self) -> Iterator[Buffer]:
        digest, read = hashlib.sha256(), 0
        for block in self._values.blocks():
            digest.update(block)
            read += len(block)
            if read > self._reported:  # what is read again is no further progress
                self._progress(read - self._reported)
                self._reported = read
            yield block
        self.oid = digest.hexdigest()
