"""The versions that a person wants on a map, and what they are measured from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from git_theta.checkpoints.index_file import is_index
from git_theta.checkpoints.shards import Shard
from git_theta.diffing.intersection import intersect_versions
from git_theta.diffing.weight_map import MapVersion, WeightMap
from git_theta.errors import UsageError
from git_theta.globs import name_matcher
from git_theta.operations.adding.layouts_alike import unify_layouts
from git_theta.operations.comparing.version_map import bytes_to_read, map_versions
from git_theta.operations.context import Context, Progress
from git_theta.repository.history.checkpoint_lookup import path_from_top, read_checkpoint_at, refuse_globs
from git_theta.repository.history.version_history import open_history
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.blob_reader import BlobReader
from git_theta.vcs.commits import Commit
from git_theta.vcs.commits import walk_commits as walked
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import literal_pathspec
from git_theta.vcs.heads import Head, merge_base, resolve_head
from git_theta.vcs.revisions import OID_DIGITS, commit_ids

_BASE_HINT = "Say what task vectors start from: --base REVISION"


class VersionShards(NamedTuple):
    """A version on the map, and the files of its checkpoint."""

    member: MapVersion
    shards: tuple[Shard, ...]


class MapSelection(NamedTuple):
    """The versions that revisions and ranges name.

    Attributes:
        versions: what is called by a name, and the commits of ranges, oldest first; each once.
        ends: the commits that the merge base is to be of: all that were named, and where ranges begin and end.
    """

    versions: tuple[Head, ...]
    ends: tuple[Head, ...]


class MapRequest(NamedTuple):
    """What a person wants to see.

    Attributes:
        revisions: names of commits, and ranges.
        path: of the checkpoint, relative to the current folder: its file, or the index of its shards.
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
                path_from_top(path),
                origin.member,
                members,
                common,
                context,
                merge_base=not named,
                measures=request.measures,
            )


def select_versions(blobs: BlobReader, words: Sequence[str], path: str, warn: Callable[[str], None]) -> MapSelection:
    """The versions that these words name. A range stands for every commit in it that changed the checkpoint.
    ``warn`` is told of commits that are left out.

    Raises UsageError for what is no revision, for a range without such commits, and for less than two versions.
    """
    tips = {word: commit_ids([word]) for word in words}
    named = {
        word: resolve_head(word) for word, found in tips.items() if len(found) == 1 and not found[0].startswith("^")
    }
    known = {head.commit for head in named.values()}
    chosen: list[Head] = []
    for word, found in tips.items():
        heads = [named[word]] if word in named else _commits_in_range(blobs, word, found, path, warn)
        chosen += [head for head in heads if word in named or head.commit not in known]
        known |= {head.commit for head in heads}
    if len(chosen) < 2:
        raise UsageError(
            "a map takes two versions or more", hint="Of one version, and what it came from: git theta diff A B"
        )
    ends = [Head(word, tip.removeprefix("^")) for word, found in tips.items() for tip in found]
    return MapSelection(tuple(chosen), tuple(ends))


def find_base(asked: MapSelection, named: str | None) -> Head:
    """What task vectors start from: what was named, or the merge base. Raises UsageError where there is none."""
    if named is not None:
        return resolve_head(named)
    found = merge_base(asked.ends)
    if found is None:
        raise UsageError("these versions have no history in common", hint=_BASE_HINT)
    known = (head.name for head in asked.versions if head.commit == found)
    return Head(next(known, found[:OID_DIGITS]), found)


def read_map_versions(
    blobs: BlobReader, heads: Sequence[Head], base: Head, path: str, context: Context, *, named: bool
) -> tuple[VersionShards, list[VersionShards]]:
    """The base and the versions, with their checkpoints in one layout. Raises UsageError for one that has none.

    ``named``: whether a person named the base.
    """
    subjects = {commit.oid: commit.subject for commit in _read_commits([base, *heads])}

    def version(head: Head) -> VersionShards:
        try:
            found = read_checkpoint_at(blobs, head.commit, path)
        except UsageError as error:
            raise error.add_location(path=head.name) from None
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
        raise UsageError(f"the merge base has no such checkpoint: {error.message}", hint=_BASE_HINT) from error


def _unify_versions(versions: Sequence[VersionShards], context: Context) -> list[VersionShards]:
    found = iter(unify_layouts([shard for version in versions for shard in version.shards], context))
    return [version._replace(shards=tuple(filter(None, islice(found, len(version.shards))))) for version in versions]


def _require_parameters(version: VersionShards, path: str) -> None:
    if all(shard.manifest.is_opaque for shard in version.shards):
        whole = path_from_top(path)
        raise UsageError(
            f"{whole} is kept whole there: it has no parameters to measure",
            hint=f"What changed of it: git theta log -- {whole}",
            path=version.member.label,
        )


def _read_commits(heads: Iterable[Head]) -> Iterator[Commit]:
    return walked(list(dict.fromkeys(head.commit for head in heads)), options=["--no-walk=unsorted"])


def _commits_in_range(
    blobs: BlobReader, word: str, tips: Sequence[str], path: str, warn: Callable[[str], None]
) -> list[Head]:
    """The commits of a range that changed the checkpoint, oldest first."""
    whole = path_from_top(path)
    # Shards have other names where their number changed; what else changed beside them, _changed tells.
    place = whole.rpartition("/")[0] if is_index(whole) else whole
    pathspecs = [literal_pathspec(place)] if place else []
    found = [
        Head(commit.oid[:OID_DIGITS], commit.oid)
        for commit in walked(tips, pathspecs)
        if _changes_checkpoint(blobs, commit, path, warn)
    ]
    if not found:
        raise UsageError(f"no commit in {word} changed {whole!r}", hint="See what did: git theta log -- PATH")
    return found[::-1]


def _changes_checkpoint(blobs: BlobReader, commit: Commit, path: str, warn: Callable[[str], None]) -> bool:
    """Whether the checkpoint is there, and as in none of the commit's parents."""
    if blobs.find(f"{commit.oid}:{path_from_top(path)}") is None:
        return False
    try:
        paths = [shard.path for shard in read_checkpoint_at(blobs, commit.oid, path).shards]
    except UsageError as error:
        warn(f"{commit.oid[:OID_DIGITS]} is left out: {error.message}")
        return False

    def version(oid: str) -> list[tuple[str, int] | None]:
        return [blobs.find(f"{oid}:{each}") for each in paths]

    return all(version(commit.oid) != version(parent) for parent in commit.parents)
