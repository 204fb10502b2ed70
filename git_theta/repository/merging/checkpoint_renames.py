"""Checkpoints of several files whose folder a head renamed: followed whole, wherever Git followed their single files.

Git finds renames file by file, and none of a shard that was cut anew or trained through; its folder moved all the same.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.checkpoints.index_file import is_index, shards_named_by, whole_path_of
from git_theta.checkpoints.shards import index_path_of
from git_theta.repository.comparing.sharded_versions import CommitFiles, read_texts


class CheckpointRename(NamedTuple):
    """A checkpoint of which a head renamed the folder.

    Attributes:
        old, new: the path of its index at the base, and at those heads that renamed it.
        files: its files at the base and at each head, by their own paths.
        clash: why heads contradict each other about its place, in words; "" where they do not.
    """

    old: str
    new: str
    files: tuple[CommitFiles, ...]
    clash: str

    def call_alike(self, commits: Sequence[CommitFiles]) -> list[CommitFiles]:
        """The files of these commits, with those of the checkpoint in the new folder everywhere."""
        alike: list[CommitFiles] = []
        for commit, held in zip(commits, self.files, strict=True):
            place = self.new if self.new in commit else self.old
            names = {path: _move(path, place, self.new) for path in held}
            alike.append({names.get(path, path): file for path, file in commit.items()})
        return alike


def find_checkpoint_renames(
    commits: Sequence[CommitFiles], renames: Sequence[Mapping[str, str]], labels: Sequence[str], top: Path | None
) -> Iterator[CheckpointRename]:
    """The checkpoints whose folder some head renamed, of those that anyone has by parameters.

    Args:
        commits: all files of the merge base and of each head.
        renames: of each head, the base's name of a file to its own, as Git finds them.
        labels: what people call the heads.
        top: of the worktree.
    """
    base, *heads = commits
    for old in sorted({path for names in renames for path in names if is_index(path) and path in base}):
        found = [_find_new_index(old, base, head, names) for head, names in zip(heads, renames, strict=True)]
        if not any(found):
            continue
        places = [old, *(new or old for new in found)]
        files = tuple([_files_of(place, commit, top) for place, commit in zip(places, commits, strict=True)])
        if any(read_texts(held, top, manifests=True) for held in files):
            new = next(filter(None, found))
            clash = _describe_clash((old, new), found, files[1:], heads, labels)
            yield CheckpointRename(old, new, files, clash)


def _find_new_index(old: str, base: CommitFiles, head: CommitFiles, names: Mapping[str, str]) -> str:
    """What a head calls an index that it has in another folder now; "" where it has not."""
    folder, name = posixpath.split(old)
    moved = Counter(
        posixpath.dirname(new)
        for was, new in names.items()
        if posixpath.dirname(was) == folder and posixpath.basename(was) == posixpath.basename(new)
    )
    places = [posixpath.join(place, name) for place, _ in moved.most_common() if place != folder]
    return next((new for new in places if old not in head and new in head and new not in base), "")


def _files_of(index_path: str, commit: CommitFiles, top: Path | None) -> CommitFiles:
    """The files of a checkpoint at a commit."""
    index = {index_path: commit[index_path]} if index_path in commit else {}
    texts = read_texts(index, top)
    named = {*index, whole_path_of(index_path), *shards_named_by(index_path, texts.get(index_path, b""))}
    return {path: file for path, file in commit.items() if path in named or index_path_of(path) == index_path}


def _describe_clash(
    names: tuple[str, str],
    found: Sequence[str],
    files: Sequence[CommitFiles],
    heads: Sequence[CommitFiles],
    labels: Sequence[str],
) -> str:
    told = ", ".join(
        f"{label} renamed it to {posixpath.dirname(new) or 'the top'}"
        for label, new in zip(labels, found, strict=True)
        if new
    )
    if len(set(filter(None, found))) > 1:
        return told
    if removed := [label for label, held in zip(labels, files, strict=True) if not held]:
        return f"{told}, {', '.join(removed)} removed it"
    others = [(label, head, held) for label, head, held, to in zip(labels, heads, files, found, strict=True) if not to]
    moved = [(label, head, {_move(path, *names) for path in held} - held.keys()) for label, head, held in others]
    if taken := [label for label, head, there in moved if not there.isdisjoint(head)]:
        return f"{told}, where {', '.join(taken)} has other files"
    return ""


def _move(path: str, old: str, new: str) -> str:
    """What a file is called whose checkpoint's index is ``new``, not ``old``; one in a folder beside stays there."""
    place = posixpath.relpath(path, posixpath.dirname(old) or ".")
    return path if place.startswith("../") else posixpath.join(posixpath.dirname(new), place)
