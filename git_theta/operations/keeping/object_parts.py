"""The parts that lie in one object, in columns: entries of all versions together would take six times the memory."""

from __future__ import annotations

from array import array
from hashlib import sha256
from itertools import compress

from git_theta.manifest.model import Coding, Entry, Place, Storage
from git_theta.parameters.value_decoding import is_verbatim

_OID_SIZE = 32
_FIRST_LOOK = 1 << 10
"""Parts at which duplicates are dropped for the first time."""


class ObjectParts:
    """Parts by number, in the order in which they were added; each distinct one once after ``drop_duplicates``.

    What tells parts apart is what has to be verified: not their names, dtypes and shapes. Where a payload is in several
    objects, the first has the part; each of the others has a piece of it, of which the object's own hash tells. Memory:
    120 bytes for each, at most twice as many as there are distinct ones.

    Attributes:
        oid: the object's id.
        names: what they are called; None for a run of bytes.
        manifests: for each, the number of the first manifest that has it.
    """

    def __init__(self, oid: str) -> None:
        self.oid = oid
        self.names: list[str | None] = []
        self.manifests = array("Q")
        self._oids = bytearray()
        self._sizes = array("Q")
        self._offsets, self._payload_sizes, self._object_sizes = array("Q"), array("Q"), array("Q")
        self._rests: list[tuple[tuple[str, int], ...] | None] = []  # None for a piece
        self._dtypes: list[str] = []
        self._shapes: list[tuple[int, ...]] = []
        self._codings: list[Coding] = []
        self._next_look = _FIRST_LOOK

    def __len__(self) -> int:
        return len(self.names)

    @property
    def object_size(self) -> int:
        """Bytes of the whole object, as the first part says."""
        return self._object_sizes[0]

    @property
    def decoded_size(self) -> int:
        """Bytes of the values of all parts together, but for those that the object's hash tells of."""
        return sum(self._sizes) - sum(self._sizes[number] for number in range(len(self)) if self.is_hashed(number))

    def add(self, part: Entry, manifest: int) -> None:
        """Add a part that lies in the object, or in several of which it is one; of the manifest of that number."""
        if len(self) >= self._next_look:
            self.drop_duplicates()
            self._next_look = 2 * len(self)
        coding, place, _ = part.storage
        self.names.append(part.name)
        self.manifests.append(manifest)
        self._oids += bytes.fromhex(part.oid)
        self._sizes.append(part.size)
        is_piece = self.oid != place.object
        whole = dict(place.rest)[self.oid] if is_piece else place.bytes
        at, size = place.range or (0, whole)
        self._offsets.append(at)
        self._payload_sizes.append(size)
        self._object_sizes.append(whole)
        self._rests.append(None if is_piece else place.rest)
        self._dtypes.append(part.dtype)
        self._shapes.append(part.shape)
        self._codings.append(coding)

    def part(self, number: int) -> Entry:
        """The part again, if not a piece: without views and unknown keys, which nobody needs to verify it."""
        rest, inside = self._rests[number], (self._offsets[number], self._payload_sizes[number])
        place = Place(self.oid, self._object_sizes[number], None if rest else inside, rest or ())
        return Entry(
            self._oid(number).hex(),
            self._sizes[number],
            Storage(self._codings[number], place),
            self.names[number],
            self._dtypes[number],
            self._shapes[number],
        )

    def is_hashed(self, number: int) -> bool:
        """Whether the object's hash tells all: of a piece, and where the values are the object, byte for byte."""
        if self._rests[number] is None:
            return True
        alone = not self._rests[number]
        whole = alone and self._object_sizes[number] == self._payload_sizes[number] == self._sizes[number]
        return whole and self._oid(number).hex() == self.oid and is_verbatim(self._codings[number])

    def find_plain(self, number: int) -> tuple[int, int] | None:
        """Offset and size of what lies in this object byte for byte; None for values that have to be decoded."""
        if self._rests[number] == () and is_verbatim(self._codings[number]):
            return self._offsets[number], self._payload_sizes[number]
        return None

    def holds(self, number: int, values: bytes) -> bool:
        """Whether these are the values of a part."""
        return len(values) == self._sizes[number] and sha256(values).digest() == self._oid(number)

    def size_stated(self, number: int) -> int:
        """Bytes of the whole object, as the manifest of the part says."""
        return self._object_sizes[number]

    def order_by_offset(self) -> list[int]:
        """The numbers of the parts, as they lie in the object."""
        return sorted(range(len(self)), key=self._offsets.__getitem__)

    def drop_duplicates(self) -> None:
        """Leave the first of each that are the same: update bases, and parameters that share their bytes."""
        if len(set(self._offsets)) == len(self):  # which no two that are the same can have
            return
        seen: set[tuple[object, ...]] = set()
        wanted = bytearray()
        for number in range(len(self)):
            key = self._distinguish(number)
            wanted.append(key not in seen)
            seen.add(key)
        self._keep(wanted)

    def _keep(self, wanted: bytearray) -> None:
        """Leave the parts whose number has a 1."""
        self._oids = bytearray().join(self._oid(number) for number in compress(range(len(self)), wanted))
        self.manifests = array("Q", compress(self.manifests, wanted))
        self._sizes = array("Q", compress(self._sizes, wanted))
        self._offsets = array("Q", compress(self._offsets, wanted))
        self._payload_sizes = array("Q", compress(self._payload_sizes, wanted))
        self._object_sizes = array("Q", compress(self._object_sizes, wanted))
        self._rests = list(compress(self._rests, wanted))
        self._dtypes = list(compress(self._dtypes, wanted))
        self._shapes = list(compress(self._shapes, wanted))
        self._codings = list(compress(self._codings, wanted))
        self.names = list(compress(self.names, wanted))

    def _oid(self, number: int) -> bytes:
        return bytes(self._oids[_OID_SIZE * number : _OID_SIZE * (number + 1)])

    def _distinguish(self, number: int) -> tuple[object, ...]:
        """What makes a part another one to verify."""
        update, serializer, options, chain = self._codings[number]
        place = self._offsets[number], self._payload_sizes[number], self._object_sizes[number], self._rests[number]
        how = repr((options, chain)) if options or chain else ""
        return self._oid(number), self._sizes[number], place, update, serializer, how
