"""Versions of checkpoints as commits have them, compared from manifests alone: of two, only the entries that differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from git_theta.checkpoints.shards import CheckpointPair, Shard, group_checkpoints
from git_theta.diffing.base import Comparison
from git_theta.diffing.compare import compare_checkpoint
from git_theta.errors import GitError, ManifestError
from git_theta.formats.detect import OPAQUE
from git_theta.manifest.lines import drop_common_parts
from git_theta.manifest.text import decode_manifest


class BlobLike(Protocol):
    """A file of a commit: its path, and the id of its blob."""

    @property
    def path(self) -> str: ...
    @property
    def oid(self) -> str: ...


class EditLike(Protocol):
    """A file before and after a commit; None for no file."""

    @property
    def before(self) -> BlobLike | None: ...
    @property
    def after(self) -> BlobLike | None: ...


class CommitLike(Protocol):
    """A commit as far as it matters here."""

    @property
    def oid(self) -> str: ...
    @property
    def parents(self) -> tuple[str, ...]: ...


C = TypeVar("C", bound=CommitLike)
Diff = Callable[[str, str | None], Sequence[EditLike]]
"""What differs between a commit and a parent, or nothing at all (None)."""
Texts = Callable[[str], bytes | None]
"""A blob by its id, where that is the text of a manifest; else None."""


class WholeCheckpoint(NamedTuple):
    """A checkpoint of several files, before and after a commit.

    Attributes:
        path: that of its index, which it is called by.
        before, after: its files.
        paths: of its files, at either version.
    """

    path: str
    before: tuple[BlobLike, ...]
    after: tuple[BlobLike, ...]
    paths: tuple[str, ...]

    @property
    def is_recut(self) -> bool:
        """Whether it has other files than before."""
        return not len(self.before) == len(self.after) == max(1, len(self.paths))


class CheckpointsLike(Protocol):
    """Tells which files are one checkpoint (``repository.checkpoint_listing``)."""

    def find_checkpoint(self, path: str, commit: str, parent: str | None) -> WholeCheckpoint | None: ...
    def read_indexes(self, paths: set[str], commit: str, parent: str | None) -> dict[str, bytes]: ...
    def find_named(self, oids: set[str], commit: str, folder: str | None, ending: str) -> set[str]: ...


class Unify(Protocol):
    """Has both versions of a checkpoint in one layout: names and identities, as ``unify_pair`` does.

    ``split``: whether files that are kept whole are to be laid out also where all are.
    """

    def __call__(self, pair: CheckpointPair, *, split: bool = False) -> CheckpointPair: ...


class HistoryReader:
    """Reads versions of checkpoints; of two versions, only the entries that differ.

    Args:
        texts: where manifests come from.
        warn: is told of what cannot be read, which is then no checkpoint.
        checkpoints: tells which files are one checkpoint.
        unify: is asked where versions are in different layouts.
    """

    def __init__(self, texts: Texts, warn: Callable[[str], None], checkpoints: CheckpointsLike, unify: Unify) -> None:
        self.texts = texts
        self.checkpoints = checkpoints
        self._warn = warn
        self._unify = unify
        self.has_found = False
        """Whether any checkpoint was met."""

    def read_text(self, version: BlobLike | None) -> bytes | None:
        """The manifest that stands there, or None. Raises GitError, with the path, for a blob that Git cannot read."""
        if version is None:
            return None
        try:
            return self.texts(version.oid)
        except GitError as error:
            raise error.add_location(path=version.path) from error.__cause__

    def read_shards(self, versions: Iterable[BlobLike | None]) -> list[Shard]:
        """The files that are there and are manifests."""
        found = []
        for version in versions:
            try:
                found.append(self._parse_shard(version, self.read_text(version)))
            except ManifestError as error:
                self._tell_unreadable(version, error)
        return [shard for shard in found if shard]

    def compare_edits(
        self, edits: Sequence[EditLike], commit: str, parent: str | None, *, split: bool = False
    ) -> list[Comparison]:
        """The checkpoints that differ at a commit and before it; of their manifests, only the entries that do.

        ``split``: see ``Unify``.
        """
        before: list[Shard] = []
        after: list[Shard] = []
        renames = {}
        for edit in edits:
            old, new = self._edit_shards(edit)
            before += [old] if old else []
            after += [new] if new else []
            if old and new:
                renames[old.path] = new.path
        self.has_found = self.has_found or bool(before or after)
        if not before and not after:
            return []
        paths = {shard.path for shard in (*before, *after)}
        indexes = self.checkpoints.read_indexes(paths, commit, parent)
        return [
            compare_checkpoint(*self._unify_edits(pair, edits, split=split))
            for pair in group_checkpoints(before, after, indexes, renames)
        ]

    def unify_versions(self, pair: CheckpointPair) -> CheckpointPair:
        """Whole versions of a checkpoint in one layout."""
        return self._unify(pair) if _has_layouts_to_unify(pair) else pair

    def _unify_edits(self, pair: CheckpointPair, edits: Iterable[EditLike], *, split: bool) -> CheckpointPair:
        """The pair in one layout: of one that is not, manifests are read anew, and whole."""
        if not _has_layouts_to_unify(pair, split=split):
            return pair
        path, were, are = pair[0], {shard.path for shard in pair[1]}, {shard.path for shard in pair[2]}
        before = self.read_shards(edit.before for edit in edits if edit.before and edit.before.path in were)
        after = self.read_shards(edit.after for edit in edits if edit.after and edit.after.path in are)
        return self._unify((path, _sort_shards(before), _sort_shards(after)), split=split)

    def _edit_shards(self, edit: EditLike) -> tuple[Shard | None, Shard | None]:
        old, new = self.read_text(edit.before), self.read_text(edit.after)
        try:
            if edit.before and edit.after and old and new:
                was, now = drop_common_parts(old, new)
                return Shard(edit.before.path, was), Shard(edit.after.path, now)
            return self._parse_shard(edit.before, old), self._parse_shard(edit.after, new)
        except ManifestError as error:
            self._tell_unreadable(edit.after or edit.before, error)
            return None, None

    def _tell_unreadable(self, version: BlobLike | None, error: ManifestError) -> None:
        self._warn(f"{version.path if version else ''}: {error.message} (blob {version.oid if version else ''})")

    def _parse_shard(self, version: BlobLike | None, text: bytes | None) -> Shard | None:
        return Shard(version.path, decode_manifest(text)) if version and text else None


def _has_layouts_to_unify(pair: CheckpointPair, *, split: bool = False) -> bool:
    formats = {shard.manifest.format for shard in (*pair[1], *pair[2])}
    return len(formats) > 1 or (split and OPAQUE in formats)


def _sort_shards(shards: Iterable[Shard]) -> tuple[Shard, ...]:
    return tuple(sorted(shards, key=lambda shard: shard.path))
