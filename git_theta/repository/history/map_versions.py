"""The versions that a person wants on a map, and what they are measured from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.intersection import intersect_versions
from git_theta.diffing.weight_map import MapVersion, WeightMap
from git_theta.errors import UsageError
from git_theta.globs import name_matcher
from git_theta.operations.adding.layouts_alike import unify_layouts
from git_theta.operations.comparing.version_map import bytes_to_read, map_versions
from git_theta.operations.context import Context, Progress
from git_theta.repository.history.checkpoint_lookup import read_checkpoint_at, refuse_globs
from git_theta.repository.history.map_selection import BASE_HINT, find_base, select_versions
from git_theta.repository.history.version_history import open_history
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.blob_reader import BlobReader
from git_theta.vcs.commits import Commit, walk_commits
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import Head


class VersionShards(NamedTuple):
    """A version on the map, and the files of its checkpoint."""

    member: MapVersion
    shards: tuple[Shard, ...]


class MapRequest(NamedTuple):
    """What a person wants to see.

    Attributes:
        revisions: names of commits, and ranges.
        path: of the checkpoint, from the top: its file, or the index of its shards.
        base: what distances of a version are measured from; None for the merge base.
        globs: names of the parameters that count; none for all.
        measures: names of what is measured beside.
    """

    revisions: Sequence[str]
    path: str
    base: str | None = None
    globs: Sequence[str] = ()
    measures: Sequence[str] = ()


def chart_versions(
    request: MapRequest, repository: Repository, warn: Callable[[str], None], progress: Progress
) -> WeightMap:
    """The map of these versions. What is missing here of the parameters that differ is fetched.

    Raises UsageError for what is no revision or no checkpoint, for less than two versions, and where nothing can be
    measured.
    """
    path, keep, named = request.path, name_matcher(request.globs), request.base is not None
    with open_context(repository, warn, progress) as context:
        with open_history(warn) as history:
            wanted = select_versions(history.blobs, request.revisions, path, warn)
            base = find_base(wanted, request.base)
            origin, versions = read_map_versions(history.blobs, wanted.versions, base, path, context, named=named)
        common = intersect_versions([origin.shards, *(version.shards for version in versions)], keep)
        if request.globs and not (common.shared or common.left_out):
            refuse_globs(path)
        if not common.shared:
            raise UsageError(
                f"these versions of {path} have no parameter in common that can be measured",
                hint=f"What each is made of: git theta show REVISION:{path}",
            )
        members = [version.member for version in versions]
        with progress.show_work("Measuring", bytes_to_read(common)):
            return map_versions(
                path,
                origin.member,
                members,
                common,
                context,
                merge_base=not named,
                measures=request.measures,
            )


def read_map_versions(
    blobs: BlobReader, heads: Sequence[Head], base: Head, path: str, context: Context, *, named: bool
) -> tuple[VersionShards, list[VersionShards]]:
    """The base and the versions, with their checkpoints in one layout. Raises UsageError for one that has none.

    ``named``: whether a person named the base.
    """
    subjects = {commit.oid: commit.subject for commit in _read_commits([base, *heads])}

    def version(head: Head) -> VersionShards:
        found = read_checkpoint_at(blobs, head.commit, path, head.name)
        return VersionShards(MapVersion(head.name, head.commit, subjects.get(head.commit, "")), found.shards)

    versions = [version(head) for head in heads]
    with _explain_base(named=named):
        origin = version(base)
    origin, *versions = _unify_versions([origin, *versions], context)
    for one in versions:
        _require_parameters(one, path)
    with _explain_base(named=named):
        _require_parameters(origin, path)
    return origin, versions


@contextmanager
def _explain_base(*, named: bool) -> Iterator[None]:
    """Say of an error that it is about the merge base, which nobody named."""
    try:
        yield
    except UsageError as error:
        if named:
            raise
        raise UsageError(f"the merge base has no such checkpoint: {error.message}", hint=BASE_HINT) from error


def _unify_versions(versions: Sequence[VersionShards], context: Context) -> list[VersionShards]:
    found = iter(unify_layouts([shard for version in versions for shard in version.shards], context))
    return [version._replace(shards=tuple(filter(None, islice(found, len(version.shards))))) for version in versions]


def _require_parameters(version: VersionShards, path: str) -> None:
    if all(shard.manifest.is_opaque for shard in version.shards):
        raise UsageError(
            f"{path} is kept whole there: it has no parameters to measure",
            hint=f"What changed of it: git theta log -- {path}",
            path=version.member.label,
        )


def _read_commits(heads: Iterable[Head]) -> Iterator[Commit]:
    return walk_commits(list(dict.fromkeys(head.commit for head in heads)), options=["--no-walk=unsorted"])
