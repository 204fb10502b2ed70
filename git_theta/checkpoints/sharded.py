"""A checkpoint of several files at one version: what each shard holds, and where each parameter is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from git_theta.checkpoints.index_file import places_named_by
from git_theta.errors import ConflictError
from git_theta.manifest.model import Entry, Manifest

_HINT = "Mend it on the branch that has it so, or take one side: git theta resolve --ours, or --theirs."


class ShardedCheckpoint:
    """The shards of a checkpoint at one version, and its index. One that is a single file is a shard without an index.

    Attributes:
        shards: by path, in the order of paths.
        index: the text of its index; None where it has none.
        named: what that says: name of each parameter to the path of its shard.
    """

    def __init__(self, shards: Mapping[str, Manifest], index_path: str, index: bytes | None) -> None:
        self.shards = dict(sorted(shards.items()))
        self.index = index
        self.named = places_named_by(index_path, index or b"")

    @cached_property
    def layout(self) -> dict[str, str]:
        """Name of each parameter to the path of its shard, in file order.

        Where a name stands in several shards, the one that the index names counts: it is what gets loaded.
        """
        found: dict[str, str] = {}
        for path, entry in self._entries():
            name = entry.name or ""
            if name not in found or self.named.get(name) == path:
                found[name] = path
        return found

    @cached_property
    def joined(self) -> Manifest:
        """All parameters, as those of one file. Raises ConflictError for shards of different formats."""
        formats = {manifest.format for manifest in self.shards.values()}
        if len(formats) != 1:
            raise ConflictError(f"its shards are of different formats: {', '.join(sorted(formats))}", hint=_HINT)
        entries = tuple(entry for path, entry in self._entries() if self.layout[entry.name or ""] == path)
        return Manifest(formats.pop(), sum(entry.size for entry in entries), entries)

    def _entries(self) -> Iterator[tuple[str, Entry]]:
        for path, manifest in self.shards.items():
            for entry in manifest.parameters():
                yield path, entry
