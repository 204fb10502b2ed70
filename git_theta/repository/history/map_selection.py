"""Which versions a map is of: those that words name, ranges among them, and what task vectors start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from git_theta.checkpoints.index_file import is_index
from git_theta.errors import UsageError
from git_theta.repository.history.checkpoint_lookup import read_checkpoint_at
from git_theta.vcs.blob_reader import BlobReader
from git_theta.vcs.commits import Commit, walk_commits
from git_theta.vcs.git import literal_pathspec
from git_theta.vcs.heads import Head, merge_base, resolve_head
from git_theta.vcs.revisions import OID_DIGITS, commit_ids, find_commits

BASE_HINT = "Say what task vectors start from: --base REVISION"


class MapSelection(NamedTuple):
    """The versions that revisions and ranges name.

    Attributes:
        versions: what is called by a name, and the commits of ranges, oldest first; each once.
        ends: the commits that the merge base is to be of: all that were named, and where ranges begin and end.
    """

    versions: tuple[Head, ...]
    ends: tuple[Head, ...]


def select_versions(blobs: BlobReader, words: Sequence[str], path: str, warn: Callable[[str], None]) -> MapSelection:
    """The versions that these words name. A range stands for every commit in it that changed the checkpoint.
    ``warn`` is told of commits that are left out.

    Raises UsageError for what is no revision, for a range without such commits, and for less than two versions.
    """
    named = find_commits(words)
    tips = {word: [named[word]] if word in named else _list_range(word) for word in words}
    known = set(named.values())
    chosen: list[Head] = []
    for word, found in tips.items():
        heads = [Head(word, named[word])] if word in named else _commits_in_range(blobs, word, found, path, warn)
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
        raise UsageError("these versions have no history in common", hint=BASE_HINT)
    known = (head.name for head in asked.versions if head.commit == found)
    return Head(next(known, found[:OID_DIGITS]), found)


def _list_range(word: str) -> list[str]:
    """The ids that a range stands for. Raises UsageError for what is neither a range nor a commit."""
    found = commit_ids([word])
    if len(found) == 1 and not found[0].startswith("^"):
        resolve_head(word)
    return found


def _commits_in_range(
    blobs: BlobReader, word: str, tips: Sequence[str], path: str, warn: Callable[[str], None]
) -> list[Head]:
    """The commits of a range that changed the checkpoint, oldest first."""
    # Shards have other names where their number changed; what else changed beside them, _changed tells.
    place = path.rpartition("/")[0] if is_index(path) else path
    pathspecs = [literal_pathspec(place)] if place else []
    found = [
        Head(commit.oid[:OID_DIGITS], commit.oid)
        for commit in walk_commits(tips, pathspecs)
        if _changes_checkpoint(blobs, commit, path, warn)
    ]
    if not found:
        raise UsageError(f"no commit in {word} changed {path!r}", hint="See what did: git theta log -- PATH")
    return found[::-1]


def _changes_checkpoint(blobs: BlobReader, commit: Commit, path: str, warn: Callable[[str], None]) -> bool:
    """Whether the checkpoint is there, and as in none of the commit's parents."""
    if blobs.find(f"{commit.oid}:{path}") is None:
        return False
    try:
        paths = [shard.path for shard in read_checkpoint_at(blobs, commit.oid, path).shards]
    except UsageError as error:
        warn(f"{commit.oid[:OID_DIGITS]} is left out: {error.message}")
        return False

    def version(oid: str) -> list[tuple[str, int] | None]:
        return [blobs.find(f"{oid}:{each}") for each in paths]

    return all(version(commit.oid) != version(parent) for parent in commit.parents)
