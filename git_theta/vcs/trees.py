"""The files of commits, side by side; and trees that differ from a commit's in some files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import GitError
from git_theta.vcs.git import git, nul_separated


class File(NamedTuple):
    """A file of a tree.

    Attributes:
        mode: as Git has it: ``100644``, ``100755``, ``120000``, ``160000``.
        oid: the id of its blob, or of a submodule's commit.
        size: bytes of the blob; 0 for a submodule.
    """

    mode: str
    oid: str
    size: int = 0

    @property
    def regular(self) -> bool:
        """Whether it is neither a link nor a submodule."""
        return self.mode.startswith("100")


def files(commit: str, cwd: Path | None = None) -> dict[str, File]:
    """Every file of a commit, by its path from the top."""
    found = {}
    for item in nul_separated(git("ls-tree", "-r", "-z", "-l", "--full-tree", commit, cwd=cwd)):
        facts, _, path = item.partition("\t")
        mode, _, oid, size = facts.split()
        found[path] = File(mode, oid, int(size) if size.isdigit() else 0)
    return found


def differing(commits: Sequence[str], cwd: Path | None = None) -> dict[str, tuple[File | None, ...]]:
    """The paths that are not the same in all commits, sorted: what each commit has there, None for nothing."""
    trees = [files(commit, cwd) for commit in commits]
    versions = {
        path: tuple([tree.get(path) for tree in trees]) for path in sorted({path for tree in trees for path in tree})
    }
    return {path: version for path, version in versions.items() if len(set(version)) > 1}


def renames(base: str, head: str, cwd: Path | None = None) -> dict[str, str]:
    """The files that one commit calls otherwise than another: old path to new, found as ``git merge`` finds them."""
    if _configured("merge.renames", cwd) in _NO or (
        _configured("merge.renames", cwd) is None and _configured("diff.renames", cwd) in _NO
    ):
        return {}
    fields = iter(nul_separated(git("diff-tree", "-r", "-z", "-M", "--diff-filter=R", base, head, cwd=cwd)))
    return {next(fields): next(fields) for _ in fields}


def write_blob(content: bytes, cwd: Path | None = None) -> str:
    """Store a blob as it is, past all filters; returns its id."""
    return git("hash-object", "-w", "--stdin", cwd=cwd, stdin=content).decode().strip()


def with_files(commit: str, changes: Mapping[str, File | None], cwd: Path | None = None) -> str:
    """The id of a commit's tree with other files in some places, or none there. The index is left alone."""
    lines = [_index_line(path, file, len(commit)) for path, file in changes.items()]
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "GIT_INDEX_FILE": os.path.join(folder, "index")}  # noqa: PTH118 (it becomes a string)
        git("read-tree", commit, cwd=cwd, env=env)
        git("update-index", "-z", "--index-info", cwd=cwd, env=env, stdin=b"".join(lines))
        return git("write-tree", cwd=cwd, env=env).decode().strip()


_NO = (b"false", b"no", b"off", b"0")


def _configured(key: str, cwd: Path | None) -> bytes | None:
    try:
        return git("config", "--get", key, cwd=cwd).strip().lower()
    except GitError:  # not set
        return None


def _index_line(path: str, file: File | None, digits: int) -> bytes:
    mode, oid = (file.mode, file.oid) if file else ("0", "0" * digits)
    return os.fsencode(f"{mode} {oid} 0\t{path}\0")
