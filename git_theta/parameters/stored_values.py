"""Values that are stored: what an update builds on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from git_theta.errors import CorruptObject, PluginError
from git_theta.manifest.model import Entry
from git_theta.parameters.entry_spec import spec_of
from git_theta.parameters.value_decoding import check_options, read_values
from git_theta.serializers.base import SERIALIZERS
from git_theta.store.base import Store
from git_theta.tensors.alignment import recut_blocks
from git_theta.tensors.arrays import BLOCK, Buffer, Parallel
from git_theta.tensors.resumed_values import ResumedValues
from git_theta.updates.base import UPDATES


class StoredValues:
    """The values of a stored part: a possible update base.

    Every reading is verified at its end: see ``read_values``.
    """

    def __init__(
        self,
        entry: Entry,
        store: Store,
        parallel: Parallel = map,
        size_of: Callable[[str], int | None] | None = None,
    ) -> None:
        """``size_of``: what ``store.size`` says, where somebody remembers that for the parts of one file."""
        self.entry = entry
        self.spec = spec_of(entry)
        self.size = entry.size
        self._store = store
        self._parallel = parallel
        self._size_of = size_of or store.size

    def blocks(self, first: int = 0) -> Iterator[Buffer]:
        """As ``Values`` says. What lies before block ``first`` is decoded, too.

        A plug-in that fails at what it has stored is CorruptObject here: nothing can be built on that.
        """
        pieces = recut_blocks(read_values(self.entry, self._store, self._parallel), BLOCK)
        try:
            yield from islice(pieces, first, None)
        except PluginError as error:
            raise CorruptObject(error.message, hint=error.hint, parameter=error.parameter) from error

    def is_here(self) -> bool:
        """Whether all objects are in the store, so far as their sizes tell. Nothing is ever fetched for a base."""
        return all(self._size_of(oid) == size for oid, size in self.entry.storage.objects().items())

    def is_decodable(self) -> bool:
        """Whether the plug-ins that give them back are installed, and know all options."""
        coding = self.entry.storage.coding
        try:
            for one in (coding, *(link.coding for link in coding.chain)):
                check_options(UPDATES.load_plugin(one.update), one)
                SERIALIZERS.load_plugin(one.serializer)
        except PluginError:
            return False
        return True


class BaseValues(ResumedValues):
    """Those of an update base, at whose start several updates look before one reads it.

    Attributes:
        entry: the base itself.
    """

    def __init__(self, stored: StoredValues) -> None:
        super().__init__(stored)
        self.entry = stored.entry
