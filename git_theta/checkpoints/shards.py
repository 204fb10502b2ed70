"""Which files are one checkpoint: the shards of Hugging Face's naming, ``model-00001-of-00003.safetensors``.

Their checkpoint is called after its index, ``model.safetensors.index.json``. The number of shards may be another one at
the other version; one file may have become several, and several one. Source: ``save_pretrained`` of transformers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from git_theta.checkpoints.index_file import INDEX_ENDING, is_index, shards_named_by, whole_path_of
from git_theta.manifest.model import Manifest

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5,})-of-(?P<total>\d{5,})(?P<ending>\.[^/]+)")
FileT = TypeVar("FileT")

_NO_RENAMES: Mapping[str, str] = MappingProxyType({})


class Shard(NamedTuple):
    """One file of a checkpoint at one version: its path, and what it holds."""

    path: str
    manifest: Manifest


CheckpointPair = tuple[str, tuple[Shard, ...], tuple[Shard, ...]]
"""What people call it, and its files before and after."""


@lru_cache(1 << 10)
def shard_number(path: str) -> str:
    """Which shard of its checkpoint a file is, as its name says; "" for a file that is one by itself."""
    match = _SHARD.fullmatch(path)
    return match["number"] if match else ""


def is_one_of_several(path: str) -> bool:
    """Whether a file is a shard beside others, as its name says."""
    match = _SHARD.fullmatch(path)
    return bool(match and int(match["total"]) > 1)


def shard_glob(index_path: str) -> str:
    """The glob of Git's pathspecs that the shards of an index match, whatever their number; those named by rule."""
    stem, dot, ending = re.sub(r"([*?\[\]\\])", r"\\\1", whole_path_of(index_path)).rpartition(".")
    return f"{stem}-*-of-*{dot}{ending}"


def group_checkpoints(
    before: Iterable[Shard],
    after: Iterable[Shard],
    indexes: Mapping[str, bytes] = MappingProxyType({}),
    renames: Mapping[str, str] = _NO_RENAMES,
) -> list[CheckpointPair]:
    """The checkpoints that these files make, in the order of their names; files are in the order of their paths.

    Args:
        before: all files of the one version.
        after: all files of the other.
        indexes: contents of ``*.index.json`` files by path; the files that one names are one checkpoint, whatever they
            are called. What is no such index is ignored.
        renames: path before -> path after of files that Git takes for renamed.
    """
    named = _indexes_by_file(indexes)
    sides = [_group_by_checkpoint(before, named, renames), _group_by_checkpoint(after, named, _NO_RENAMES)]
    _join_resharded(sides)
    found = [
        (
            _display_path(sides[1].get(key) or sides[0][key], key),
            _sorted_shards(sides[0], key),
            _sorted_shards(sides[1], key),
        )
        for key in sides[0].keys() | sides[1].keys()
    ]
    return sorted(found, key=itemgetter(0))


def group_paths(versions: Sequence[tuple[Iterable[str], Mapping[str, bytes]]]) -> list[dict[str, list[str]]]:
    """The path of an index to those of the files that are its checkpoint, at each version; with those alone.

    Args:
        versions: of each, the paths of all files of some folders, and the contents of their ``*.index.json`` by path.
    """
    sides: list[dict[str, list[str]]] = []
    for paths, indexes in versions:
        side: dict[str, list[str]] = {}
        named = _indexes_by_file(indexes)
        for path in paths:
            side.setdefault(_checkpoint_key(path, named), []).append(path)
        sides.append(side)
    _join_resharded(sides)
    return [{key: paths for key, paths in side.items() if is_index(key)} for side in sides]


def _indexes_by_file(indexes: Mapping[str, bytes]) -> dict[str, str]:
    """Path of a file to the path of the index that names it."""
    return {shard: path for path, text in indexes.items() for shard in shards_named_by(path, text)}


def _group_by_checkpoint(
    shards: Iterable[Shard], named: Mapping[str, str], renames: Mapping[str, str]
) -> dict[str, list[Shard]]:
    groups: dict[str, list[Shard]] = {}
    for shard in shards:
        path = renames.get(shard.path, shard.path)
        groups.setdefault(_checkpoint_key(path, named), []).append(shard)
    return groups


def _checkpoint_key(path: str, named: Mapping[str, str]) -> str:
    return named.get(path) or index_path_of(path) or path


def index_path_of(path: str) -> str:
    """What the index of a shard is called, as the shard's name tells; "" for a file that is no shard."""
    match = _SHARD.fullmatch(path)
    return f"{match['stem']}{match['ending']}{INDEX_ENDING}" if match else ""


def _join_resharded(versions: Sequence[dict[str, list[FileT]]]) -> None:
    """Where a file became shards of its name, or shards became one file, they are one checkpoint. So are shards that an
    index of a variant names at one version, and none does at another.
    """
    for key in sorted({key for version in versions for key in version if is_index(key)}):
        whole = whole_path_of(key)
        usual = f"{whole}{INDEX_ENDING}"
        for version in versions if key != usual else ():
            if usual in version:
                version[key] = [*version.get(key, ()), *version.pop(usual)]
        having = [version for version in versions if key in version]
        if having and not any(whole in version for version in having):
            for version in versions:
                if whole in version:
                    version[key] = version.pop(whole)


def _display_path(files: list[Shard], key: str) -> str:
    return files[0].path if len(files) == 1 and whole_path_of(key) == files[0].path else key


def _sorted_shards(side: Mapping[str, list[Shard]], key: str) -> tuple[Shard, ...]:
    return tuple(sorted(side.get(key, ()), key=lambda shard: shard.path))
