"""Which parts are stored already, and where.

The index is asked first, so that what did not change keeps its entry verbatim (L2). But it may hold the manifest of
anybody's commit, and objects can rot: where it says that a part's bytes are is believed only if this clone has put
them there or read them there itself, or finds them there now. Else a forged or broken manifest could have us drop the
only good copy of a tensor.
"""

from __future__ import annotations

from git_theta import parameters
from git_theta.errors import ThetaError
from git_theta.manifest.model import Entry, Manifest, Storage
from git_theta.operations.context import Context


class KnownParts:
    """oid of a part -> its storage, or None. Thread-safe.

    Args:
        context: its store and its state.
        prior: what the index holds for the file, or None.
    """

    def __init__(self, context: Context, prior: Manifest | None) -> None:
        self._context = context
        self._prior = {part.oid: part for part in prior.parts()} if prior else {}
        self._refused: set[str] = set()

    def __call__(self, oid: str) -> Storage | None:
        remembered = self._context.state.storage_of(oid)
        prior = self._prior.get(oid)
        if prior and self._is_here(prior.storage) and (prior.storage == remembered or self._can_restore(prior)):
            return prior.storage
        return remembered if remembered and self._is_here(remembered) else None

    def is_prior(self, part: Entry) -> bool:
        """Whether the index has the part, stored as here."""
        prior = self._prior.get(part.oid)
        return prior is not None and prior.storage == part.storage

    def _is_here(self, storage: Storage) -> bool:
        return all(self._context.store.size(oid) == size for oid, size in storage.objects().items())

    def _can_restore(self, part: Entry) -> bool:
        """Whether the part's bytes are where it says; remembered, so that they are read once."""
        if part.oid in self._refused:
            return False
        try:
            for _ in parameters.read_values(part, self._context.store, map):
                pass
        except ThetaError:
            self._refused.add(part.oid)
            return False
        self._context.state.remember_storages([part])
        return True
