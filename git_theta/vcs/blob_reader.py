"""Blobs by name, one after the other as somebody asks, from two processes of Git that wait for questions."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import lru_cache

from git_theta.vcs.blob_losses import require_partial_clone
from git_theta.vcs.cat_file import BLOB_ID, MISSING, query_git, read_exactly, spell_question
from git_theta.vcs.git import end_git, git, literal_pathspec, split_nul, start_git
from git_theta.vcs.lost_trees import require_trees

_CACHED_BLOBS = 64  # blobs: a walk meets each once as what was before, and once as what was after


class BlobReader(AbstractContextManager["BlobReader"]):
    """Blobs by id or ``REV:PATH``, one at a time; those of more than ``largest`` bytes are not read."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._sizes = start_git("cat-file", "--batch-check=%(objecttype) %(objectsize) %(objectname)")
        self._contents = start_git("cat-file", "--batch")
        self.read: Callable[[str], bytes | None] = lru_cache(maxsize=_CACHED_BLOBS)(self._read)
        """The bytes of the blob of that id; None for what is no blob, is too large, or left out by a partial clone.

        Raises GitError, with the id, for one that Git cannot read.
        """

    def __exit__(self, *_: object) -> None:
        end_git(self._sizes)
        end_git(self._contents)

    def find(self, name: str) -> tuple[str, int] | None:
        """Id and size of the blob of that name, or None. Raises GitError, with the id, for one that Git cannot read."""
        answer = query_git(self._sizes, spell_question(name))
        words = answer.split()
        if answer.endswith(MISSING) and (oid := self._find_id(name)):
            require_partial_clone(oid)
        return (words[2].decode(), int(words[1])) if words[:1] == [b"blob"] else None

    def _find_id(self, name: str) -> str:
        """The id of the blob that a name stands for, whether Git can read that or not; "" where there is none."""
        revision, colon, path = name.partition(":")
        if not colon:
            return name if BLOB_ID.fullmatch(name) else ""
        if revision:
            return self.list_folder(revision, posixpath.dirname(path)).get(path, "")
        listed = split_nul(git("ls-files", "-s", "-z", "--", literal_pathspec(path)))
        return next((entry.split()[1] for entry in listed if entry.startswith("100")), "")

    def list_folder(self, revision: str, folder: str) -> dict[str, str]:
        """The regular files right in a folder ("" for the top) of a revision: path to the id of the blob.

        Raises GitError, with the commit, for a folder whose tree Git cannot read.
        """
        name = spell_question(f"{revision}:{folder}")
        answer = query_git(self._contents, name)
        if answer.endswith(MISSING) and revision:
            require_trees(revision, folder)
        words = answer.split()
        if words[1:2] not in ([b"tree"], [b"blob"]):
            return {}
        assert self._contents.stdout
        content = read_exactly(self._contents.stdout, int(words[2]), words[0].decode())
        self._contents.stdout.read(1)
        prefix = f"{folder}/" if folder else ""
        files = _parse_tree(content, len(words[0]) // 2) if words[1] == b"tree" else ()
        return {prefix + name: oid for name, oid in files}

    def _read(self, oid: str) -> bytes | None:
        found = self.find(oid)
        if found is None or found[1] > self._largest:
            return None
        assert self._contents.stdout
        query_git(self._contents, oid)
        content = read_exactly(self._contents.stdout, found[1], oid)
        self._contents.stdout.read(1)
        return content


def _parse_tree(content: bytes, digest_size: int) -> Iterator[tuple[str, str]]:
    """Name and id of the regular files of a tree as Git stores it: mode, name, NUL, id in bytes."""
    at = 0
    while at < len(content):
        end = content.index(b"\0", at)
        mode, _, name = content[at:end].partition(b" ")
        at = end + 1 + digest_size
        if mode.startswith(b"100"):
            yield os.fsdecode(name), content[end + 1 : at].hex()
