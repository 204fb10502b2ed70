"""The other shards of the checkpoints that differ: each is reported whole, also where one shard of it changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from git_theta.checkpoints.index_file import is_index
from git_theta.checkpoints.shards import Shard, group_checkpoints
from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.repository.comparing.changed_files import FileSides
from git_theta.vcs.blobs import read_wanted_blobs
from git_theta.vcs.git import literal_pathspec
from git_theta.vcs.raw_diff import FilePair, VersionRange, changed_files, list_folder

_UNREAD_MANIFEST = Manifest("", 0, ())


class SiblingShards(NamedTuple):
    """The rest of the checkpoints that files which differ belong to.

    Attributes:
        indexes: contents of the indexes of shards in their folders, by path.
        unchanged: shards that are the same at both versions.
        differing: those that are not, and were not asked for.
    """

    indexes: Mapping[str, bytes]
    unchanged: tuple[Shard, ...]
    differing: tuple[FilePair, ...]


def find_siblings(
    files: Sequence[FileSides], span: VersionRange, top: Path | None, *, all_asked: bool
) -> SiblingShards:
    """The siblings of these files. ``all_asked``: the files are all that differ, not those of some pathspecs."""
    own = {path for file in files for path in file.paths}
    folders = {str(PurePosixPath(path).parent).removeprefix(".") for path in own}
    around = {path: oid for folder in sorted(folders) for path, oid in list_folder(span, folder, top).items()}
    indexes = _read_contents({path: oid for path, oid in around.items() if is_index(path)}, top)
    related = _checkpoint_paths(own, around, indexes) - own
    asked = [literal_pathspec(path) for path in sorted(related)]
    more = changed_files(span, asked, cwd=top) if asked and not all_asked else []
    changed = {version.path for pair in more for version in (pair.before, pair.after) if version}
    manifests = _read_contents({path: around[path] for path in related - changed}, top, manifests=True)
    return SiblingShards(indexes, tuple(_load_shards(manifests)), tuple(more))


def _checkpoint_paths(own: Iterable[str], around: Iterable[str], indexes: Mapping[str, bytes]) -> set[str]:
    """The paths that are of one checkpoint with any of ours."""
    mine = set(own)
    found: set[str] = set()
    for _, files, _ in group_checkpoints([Shard(path, _UNREAD_MANIFEST) for path in {*mine, *around}], (), indexes):
        paths = {file.path for file in files}
        found |= paths if paths & mine else set()
    return found


def _read_contents(blobs: Mapping[str, str], top: Path | None, *, manifests: bool = False) -> dict[str, bytes]:
    found = read_wanted_blobs(blobs.values(), is_manifest if manifests else bool, MAX_MANIFEST, top)
    return {path: found[oid] for path, oid in blobs.items() if oid in found}


def _load_shards(texts: Mapping[str, bytes]) -> Iterable[Shard]:
    for path, text in sorted(texts.items()):
        with suppress(ManifestError):  # raw, or of a newer version: it is the same at both, and nobody asked
            yield Shard(path, decode_manifest(text))
