"""What a new part may build on: the parameter of its name, as the versions before have it.

Nothing is fetched for a base. None is believed, either: it is hashed as it is read, whoever's manifest names it, and a
part whose base turns out not to be what it says is stored without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from threading import Lock

from git_theta.manifest.model import Entry, Manifest
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.context import Context
from git_theta.parameters.stored_values import StoredValues
from git_theta.tensors.arrays import Parallel
from git_theta.words import join_some

SMALLEST_PART = 4 << 10
"""Bytes of a part below which it has no base: that takes 300 bytes of every manifest that it is in."""
SMALLEST_UNASKED = 16 << 10
"""Bytes of a part below which it has none either where no person has named its update: to read it takes as long as to
read 50 kB more."""
_LARGEST_BASE = 4
"""Times the part's size that a base may have, as fp64 has beside bf16: all of it is read, to be hashed."""


class UpdateBases:
    """Finds the update bases of one file's parts. Thread-safe."""

    def __init__(
        self,
        manifests: Callable[[], Iterable[Manifest]],
        context: Context,
        known: KnownParts,
        *,
        anew: bool = False,
        smallest: int = SMALLEST_UNASKED,
    ) -> None:
        """Look into ``manifests``, nearest first, as far as needed, and not before something is new.

        Args:
            manifests: the versions of the file.
            context: what to work with.
            known: what is known to be stored.
            anew: find another base than the one that a part has.
            smallest: bytes of a part from which it gets a base that it has not: SMALLEST_PART where a person has named
                the update.
        """
        self._manifests = manifests
        self._context = context
        self._known = known
        self._anew = anew
        self._smallest = smallest
        self._lock = Lock()
        self._versions: list[dict[str, Entry]] = []
        self._damaged: dict[str, str] = {}

    def find_base(self, name: str | None, size: int, parallel: Parallel, oid: str = "") -> StoredValues | None:
        """What the parameter of that name, of ``size`` bytes, may build on; None where there is nothing.

        ``oid``: the parameter's, where it is known by now: then what builds on the same values is no base.
        """
        if name is None or size < SMALLEST_PART or not self._is_wanted:
            return None
        for entry in self._entries_named(name):
            if entry.oid == oid and not self._anew:  # its object is lost: what was stored is stored again, to the byte
                return self._recorded_base(entry, parallel)
            if size < self._smallest:
                return None
            base = _within_depth(entry, self._context.preferences().depth)
            values = StoredValues(base, self._context.store, parallel, self._known.size_of)
            is_near = base.size <= _LARGEST_BASE * size and oid not in _oids_of(base)
            if is_near and values.is_here() and values.is_decodable() and self._known.freshen(base.storage):
                return values
        return None

    def _recorded_base(self, entry: Entry, parallel: Parallel) -> StoredValues | None:
        *_, base = None, *entry.storage.bases()
        values = StoredValues(base, self._context.store, parallel, self._known.size_of) if base else None
        return values if values and values.is_here() and values.is_decodable() else None

    def note_damage(self, name: str, problem: str) -> None:
        """Remember that the base of a parameter was not what it says."""
        with self._lock:
            self._damaged[name] = problem

    def describe_damage(self) -> list[str]:
        """What to say of all bases that were not what they say."""
        if not self._damaged:
            return []
        names, problem = sorted(self._damaged), self._damaged[min(self._damaged)]
        what = f"{join_some(names, 5)}: stored without the version before, which is damaged here"
        return [f"{what}: {problem}. See what else is: git theta fsck"]

    @cached_property
    def _is_wanted(self) -> bool:
        return self._context.preferences().wants_base()

    def _entries_named(self, name: str) -> Iterator[Entry]:
        number = 0
        while (version := self._read_version(number)) is not None:
            if name in version:
                yield version[name]
            number += 1

    def _read_version(self, number: int) -> dict[str, Entry] | None:
        """The parameters of a manifest by their names; None after the last one."""
        with self._lock:
            while len(self._versions) <= number:
                manifest = next(self._unread, None)
                if manifest is None:
                    return None
                self._versions.append({entry.name or "": entry for entry in manifest.parameters()})
            return self._versions[number]

    @cached_property
    def _unread(self) -> Iterator[Manifest]:
        return iter(self._manifests())


def _within_depth(entry: Entry, depth: int) -> Entry:
    """The part, or the root of its chain where a part on top of it would have more bases than ``depth``."""
    return entry if len(entry.storage.coding.chain) < depth else next(entry.storage.bases())


def _oids_of(base: Entry) -> set[str]:
    """Whose values a part needs that builds on this one."""
    return {base.oid, *(link.oid for link in base.storage.coding.chain)}
