"""The index: what it holds, and making it believe in a file that we wrote."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from git_theta.vcs.blobs import read_blob
from git_theta.vcs.git import git, split_nul


def read_staged(path: str, worktree: Path | None) -> bytes | None:
    """The blob that the index has for ``path`` (relative to the top, no conflict stages), or None."""
    return read_blob(f":0:{path}", worktree)


def paths_holding(texts: Mapping[str, bytes], worktree: Path) -> list[str]:
    """Those paths (relative to the top) for which the index has exactly this text, and no conflict."""
    found = []
    for item in split_nul(git("ls-files", "-s", "-z", cwd=worktree)):
        facts, _, path = item.partition("\t")
        _, oid, stage = facts.split(" ")
        if stage == "0" and path in texts and oid == _blob_id(texts[path], oid):
            found.append(path)
    return found


def _blob_id(content: bytes, like: str) -> str:
    """The id of a blob, in the hash format of another id."""
    name = "sha1" if len(like) == 40 else "sha256"
    return hashlib.new(name, b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()


def refresh_entries(paths: Iterable[str], worktree: Path, config: Mapping[str, str]) -> None:
    """Have Git look at these files anew, with extra ``config``.

    Their content must be what the index has: naming a path also stages it, and settles its conflict. And they must be
    named: Git takes a file whose size is not the recorded one for modified without running clean.
    """
    listing = b"".join(os.fsencode(path) + b"\0" for path in paths)
    git("update-index", "-z", "--stdin", cwd=worktree, stdin=listing, config=config)


def invalidate_entries(paths: Iterable[str], worktree: Path) -> None:
    """Keep these entries, and forget how their files look: the next status compares contents."""
    literal = ["--literal-pathspecs", "ls-files", "-s", "-z", "--", *paths]
    git("update-index", "-z", "--index-info", cwd=worktree, stdin=git(*literal, cwd=worktree))
