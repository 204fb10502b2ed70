"""Which parts are stored already, and where; and what stands for the others where nothing is to be stored.

The index is asked first, so that what did not change keeps its entry verbatim (L2). But it may hold the manifest of
anybody's commit, and objects can rot: where it says that a part's bytes are is believed only if this clone has put
them there or read them there itself, or finds them there now. Else a forged or broken manifest could have us drop the
only good copy of a tensor.

What the index does not name, nothing may need until Git has recorded our answer: such objects are freshened, so that
`git theta gc` leaves them alone for as long.

A command that only asks whether something changed (``git status``) shall store nothing. A part that the index has not
has changed, whatever its storage would be: then one is assumed that no object has. Its manifest differs from the
index's as it should, is believed nowhere, and must not be kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from git_theta.errors import ThetaError
from git_theta.manifest.model import DENSE, Coding, Entry, Manifest, Place, Storage, storage_key, storage_keys
from git_theta.operations.adding.part_label import PartLabel
from git_theta.operations.context import Context
from git_theta.parameters.value_decoding import read_values


class KnownParts:
    """oid, dtype and shape of a part -> its storage, or None. Thread-safe.

    Attributes:
        has_assumed: whether a storage was answered that does not exist.
    """

    def __init__(self, context: Context, prior: Manifest | None, *, assuming: bool = False) -> None:
        """Answer from the store and the state of ``context``, and from ``prior``, what the index holds for the file.

        ``assuming``: a part that has changed counts as stored.
        """
        self.has_assumed = False
        self._context = context
        self._assuming = assuming
        self._parts = tuple(prior.parts()) if prior else ()
        self._oids = {part.oid for part in self._parts}
        self._prior = _map_by_key(self._parts)
        self._named = {entry.name: entry for entry in prior.parameters()} if prior else {}
        self._refused: set[str] = set()
        self._object_sizes: dict[str, int | None] = {}
        self._fresh: dict[str, bool] = {}

    def __call__(self, oid: str, dtype: str = "", shape: tuple[int, ...] = ()) -> Storage | None:
        found = self._find_storage(oid, dtype, shape)
        if found is None and self._assuming and oid not in self._oids:
            self.has_assumed = True
            return Storage(Coding(DENSE, "raw"), Place(oid, 0))
        return found

    def is_likely(self, label: PartLabel, start: str) -> bool:
        """Whether a large part will turn out to be known: hashing it alone then saves time.

        It is where one that we have seen has the same first block, whose hash is ``start``; and where the index has one
        of its name of which we have not seen the first block.
        """
        if self._assuming or self._context.state.is_start(start):
            return True
        before = self._named.get(label.name)
        return (
            before is not None
            and (before.dtype, before.shape) == label[1:3]
            and self._context.state.start_of(before.oid) is None
            and self._find_storage(before.oid, before.dtype, before.shape) is not None
        )

    def freshen_unstaged(self, manifest: Manifest) -> bool:
        """Freshen what a manifest names and the index does not; whether all of that is here."""
        return all(self.freshen(part.storage) for part in manifest.parts() if part.oid not in self._oids)

    def _find_storage(self, oid: str, dtype: str, shape: tuple[int, ...]) -> Storage | None:
        remembered = self._context.state.storage_of(oid, dtype, shape)
        exact, any_kind = storage_keys(oid, dtype, shape)
        prior = self._prior.get(exact) or self._prior.get(any_kind)
        if prior and self._is_here(prior.storage) and (prior.storage == remembered or self._can_restore(prior)):
            return prior.storage
        if remembered and self._is_here(remembered) and self.freshen(remembered):
            return remembered
        link = None if self._assuming else self._links.get(exact) or self._links.get(any_kind)
        if link and self._is_here(link.storage) and self._can_restore(link) and self.freshen(link.storage):
            return link.storage
        return None

    @cached_property
    def _links(self) -> dict[str, Entry]:
        """The update bases of the index's parts: what was trained on from there may be what it was again."""
        chained = (part.storage for part in self._parts if part.storage.coding.chain)
        return _map_by_key(base for storage in chained for base in storage.bases())

    def _is_here(self, storage: Storage) -> bool:
        return all(self.size_of(oid) == size for oid, size in storage.objects().items())

    def freshen(self, storage: Storage) -> bool:
        """Whether nobody collects the objects before Git has our answer; an answer that goes nowhere needs none."""
        return self._assuming or all(map(self._freshen_object, storage.objects()))

    def _freshen_object(self, oid: str) -> bool:
        if oid not in self._fresh:
            self._fresh[oid] = self._context.store.freshen(oid)
        return self._fresh[oid]

    def size_of(self, oid: str) -> int | None:
        """Bytes of an object, asked for once: thousands of parts may lie in it."""
        if oid not in self._object_sizes:
            self._object_sizes[oid] = self._context.store.size(oid)
        return self._object_sizes[oid]

    def _can_restore(self, part: Entry) -> bool:
        """Whether the part's bytes are where it says; remembered, so that they are read once."""
        if part.oid in self._refused:
            return False
        try:
            for _ in read_values(part, self._context.store, map):
                pass
        except ThetaError:
            self._refused.add(part.oid)
            return False
        self._context.state.remember_storages([part])
        return True


def _map_by_key(parts: Iterable[Entry]) -> dict[str, Entry]:
    return {storage_key(part.oid, part.dtype, part.shape, part.storage.coding): part for part in parts}
