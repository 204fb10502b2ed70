"""What takes space: objects that manifests need, by checkpoint, commit or kind of update. Sums count each once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from git_theta.operations.keeping.inventory import ManifestBlob

UNUSED = ""
"""The label of bytes in objects that other versions need, and none of those that were looked at."""


class UsageRow(NamedTuple):
    """What one label needs.

    Attributes:
        label: a path, the id of a commit, the name of an update.
        items: how many versions it has; of an update, payloads.
        objects, bytes: what it needs.
        alone: bytes of what no other label needs.
    """

    label: str
    items: int
    objects: int
    bytes: int
    alone: int


class UsageTable(NamedTuple):
    """Rows, in no particular order, and oid to size of all objects that are in them."""

    rows: list[UsageRow]
    objects: dict[str, int]

    @property
    def shared(self) -> int:
        """Bytes that several rows need: what all have for themselves alone, and this, is the whole."""
        return sum(self.objects.values()) - sum(row.alone for row in self.rows)


@dataclass
class _Label:
    """What is known of a label so far: ids of manifests, and of objects."""

    blobs: set[str] = field(default_factory=set)
    objects: set[str] = field(default_factory=set)


def measure_checkpoints(manifests: Iterable[ManifestBlob]) -> UsageTable:
    """By path. What is new in each manifest must be what none before it had of the same path."""
    return _measure_labels(manifests, lambda manifest: manifest.path, first_only=False)


def measure_commits(
    manifests: Iterable[ManifestBlob], find_commit: Callable[[str], str], before: Collection[str] = ()
) -> UsageTable:
    """By the commit that brought them.

    Args:
        manifests: the oldest first.
        find_commit: the commit that brought a blob.
        before: objects that were there already.
    """
    return _measure_labels(manifests, lambda manifest: find_commit(manifest.blob), first_only=True, before=before)


def _measure_labels(
    manifests: Iterable[ManifestBlob],
    find_label: Callable[[ManifestBlob], str],
    *,
    first_only: bool,
    before: Collection[str] = (),
) -> UsageTable:
    """``first_only``: an object counts for the first label that needs it, and for no other."""
    sizes: dict[str, int] = {}
    users: dict[str, int] = {}
    labels: dict[str, _Label] = {}
    for manifest in manifests:
        label = labels.setdefault(find_label(manifest), _Label())
        label.blobs.add(manifest.blob)
        for oid, use in manifest.first_uses().items():
            if oid in label.objects or oid in before or (first_only and oid in sizes):
                continue
            label.objects.add(oid)
            sizes[oid] = use.bytes
            users[oid] = users.get(oid, 0) + 1
        del manifest  # and its parts, before the next one is read
    return UsageTable([_sum_label(name, one, sizes, users) for name, one in labels.items()], sizes)


def _sum_label(name: str, label: _Label, sizes: dict[str, int], users: dict[str, int]) -> UsageRow:
    total = sum(sizes[oid] for oid in label.objects)
    alone = sum(sizes[oid] for oid in label.objects if users[oid] == 1)
    return UsageRow(name, len(label.blobs), len(label.objects), total, alone)


def measure_updates(manifests: Iterable[ManifestBlob]) -> UsageTable:
    """By kind of update: its payloads, each distinct stretch of an object once; and what is left of the objects."""
    sizes: dict[str, int] = {}
    seen: dict[str, set[int]] = {}
    payloads: dict[str, int] = {}
    totals: dict[str, int] = {}
    objects: dict[str, set[str]] = {}
    for manifest in manifests:
        for part in manifest.parts():
            kind, place = part.storage.coding.update, part.storage.place
            whole = place.objects()
            sizes.update(whole)
            inside = [(place.object, place.offset, place.size)] if len(whole) == 1 else [(o, 0, s) for o, s in whole]
            for oid, offset, size in inside:
                if offset not in seen.setdefault(oid, set()):
                    seen[oid].add(offset)
                    payloads[kind] = payloads.get(kind, 0) + 1
                    totals[kind] = totals.get(kind, 0) + size
                    objects.setdefault(kind, set()).add(oid)
        del manifest
    rows = [UsageRow(kind, payloads[kind], len(objects[kind]), totals[kind], totals[kind]) for kind in totals]
    left = sum(sizes.values()) - sum(totals.values())
    return UsageTable([*rows, *([UsageRow(UNUSED, 0, 0, left, left)] if left > 0 else [])], sizes)
