"""The versions that a person wants on a map, and what they are measured from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from git_theta.checkpoints.index_file import is_index
from git_theta.checkpoints.shards import Shard
from git_theta.diffing.weight_map import Member
from git_theta.errors import UsageError
from git_theta.repository.checkpoint_lookup import checkpoint, from_top
from git_theta.repository.version_history import SHORT
from git_theta.vcs.commits import Blobs, Commit
from git_theta.vcs.commits import commits as walked
from git_theta.vcs.heads import Head, merge_base, resolve
from git_theta.vcs.revisions import commit_ids

_NAME_ONE = "Say what task vectors start from: --base REVISION"


class Version(NamedTuple):
    """A version on the map, and the files of its checkpoint."""

    member: Member
    shards: tuple[Shard, ...]


class Asked(NamedTuple):
    """What revisions and ranges stand for.

    Attributes:
        versions: what is called by a name, and the commits of ranges, oldest first; each once.
        ends: the commits that the merge base is to be of: all that were named, and where ranges begin and end.
    """

    versions: tuple[Head, ...]
    ends: tuple[Head, ...]


def asked(blobs: Blobs, words: Sequence[str], path: str, warn: Callable[[str], None]) -> Asked:
    """The versions that these words stand for. Of a range, that is every commit that changed the checkpoint.
    ``warn`` is told of commits that are left out.

    Raises UsageError for what is no revision, for a range without such commits, and for less than two versions.
    """
    tips = {word: commit_ids([word]) for word in words}
    named = {word: resolve(word) for word, found in tips.items() if len(found) == 1 and not found[0].startswith("^")}
    known = {head.commit for head in named.values()}
    chosen: list[Head] = []
    for word, found in tips.items():
        heads = [named[word]] if word in named else _in_range(blobs, word, found, path, warn)
        chosen += [head for head in heads if word in named or head.commit not in known]
        known |= {head.commit for head in heads}
    if len(chosen) < 2:
        raise UsageError(
            "a map takes two versions or more", hint="Of one version, and what it came from: git theta diff A B"
        )
    ends = [Head(word, tip.removeprefix("^")) for word, found in tips.items() for tip in found]
    return Asked(tuple(chosen), tuple(ends))


def base_of(asked: Asked, named: str | None) -> Head:
    """What task vectors start from: what was named, or the merge base. Raises UsageError where there is none."""
    if named is not None:
        return resolve(named)
    found = merge_base(asked.ends)
    if found is None:
        raise UsageError("these versions have no history in common", hint=_NAME_ONE)
    known = (head.name for head in asked.versions if head.commit == found)
    return Head(next(known, found[:SHORT]), found)


def read(blobs: Blobs, heads: Sequence[Head], base: Head, path: str, *, named: bool) -> tuple[Version, list[Version]]:
    """The base and the versions, with their checkpoints. Raises UsageError for one that has none.

    ``named``: whether a person named the base.
    """
    subjects = {commit.oid: commit.subject for commit in _told([base, *heads])}

    def version(head: Head) -> Version:
        try:
            found = checkpoint(blobs, head.commit, path)
        except UsageError as error:
            raise error.located(path=head.name) from None
        return Version(Member(head.name, head.commit, subjects.get(head.commit, "")), found.shards)

    versions = [version(head) for head in heads]
    try:
        return version(base), versions
    except UsageError as error:
        if named:
            raise
        raise UsageError(f"the merge base has no such checkpoint: {error.message}", hint=_NAME_ONE) from error


def _told(heads: Iterable[Head]) -> Iterator[Commit]:
    return walked(list(dict.fromkeys(head.commit for head in heads)), options=["--no-walk=unsorted"])


def _in_range(blobs: Blobs, word: str, tips: Sequence[str], path: str, warn: Callable[[str], None]) -> list[Head]:
    """The commits of a range that changed the checkpoint, oldest first."""
    whole = from_top(path)
    # Shards have other names where their number changed; what else changed beside them, _changed tells.
    place = whole.rpartition("/")[0] if is_index(whole) else whole
    pathspecs = [f":(top,literal){place}"] if place else []
    found = [
        Head(commit.oid[:SHORT], commit.oid)
        for commit in walked(tips, pathspecs)
        if _changed(blobs, commit, path, warn)
    ]
    if not found:
        raise UsageError(f"no commit in {word} changed {whole!r}", hint="See what did: git theta log -- PATH")
    return found[::-1]


def _changed(blobs: Blobs, commit: Commit, path: str, warn: Callable[[str], None]) -> bool:
    """Whether the checkpoint is there, and as in none of the commit's parents."""
    if blobs.find(f"{commit.oid}:{from_top(path)}") is None:
        return False
    try:
        paths = [shard.path for shard in checkpoint(blobs, commit.oid, path).shards]
    except UsageError as error:
        warn(f"{commit.oid[:SHORT]} is left out: {error.message}")
        return False

    def version(oid: str) -> list[tuple[str, int] | None]:
        return [blobs.find(f"{oid}:{each}") for each in paths]

    return all(version(commit.oid) != version(parent) for parent in commit.parents)
