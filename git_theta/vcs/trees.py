"""The files of commits, side by side; and trees that differ from a commit's in some files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import GitError
from git_theta.vcs.config import read_last_values
from git_theta.vcs.git import git, split_nul
from git_theta.vcs.lost_trees import naming_commit
from git_theta.vcs.remembered_settings import is_false


class TreeFile(NamedTuple):
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
    def is_regular(self) -> bool:
        """Whether it is neither a link nor a submodule."""
        return self.mode.startswith("100")


def files_of(commit: str, cwd: Path | None = None) -> dict[str, TreeFile]:
    """Every file of a commit, by its path from the top. Raises GitError, with the commit, where one is lost."""
    with naming_commit(commit):
        listed = split_nul(git("ls-tree", "-r", "-z", "-l", "--full-tree", commit, cwd=cwd))
    found = {}
    for item in listed:
        facts, _, path = item.partition("\t")
        mode, _, oid, size = facts.split()
        found[path] = TreeFile(mode, oid, int(size) if size.isdigit() else 0)
    return found


def file_at(commit: str, path: str, cwd: Path | None = None) -> TreeFile | None:
    """The file of a commit at a path from the top; None where there is none, or a folder. Raises as ``files_of``."""
    with naming_commit(commit):
        listed = split_nul(git("ls-tree", "-z", "--full-tree", commit, "--", path, cwd=cwd))
    for item in listed:
        facts, _, found = item.partition("\t")
        mode, kind, oid = facts.split()
        if found == path and kind == "blob":
            return TreeFile(mode, oid)
    return None


def changed_blobs(tree: str) -> list[str]:
    """The ids of the regular files of a commit or tree that are not what the index has: what a checkout writes."""
    options = ("--cached", "--raw", "-z", "--no-renames", "--no-abbrev")
    facts = [item.split() for item in split_nul(git("diff-index", *options, tree))[::2]]
    return [words[2] for words in facts if words[0].startswith(":100")]


def differing_files(trees: Sequence[Mapping[str, TreeFile]]) -> dict[str, tuple[TreeFile | None, ...]]:
    """The paths that are not the same in all commits (the files of each), sorted: what each has there."""
    versions = {
        path: tuple([tree.get(path) for tree in trees]) for path in sorted({path for tree in trees for path in tree})
    }
    return {path: version for path, version in versions.items() if len(set(version)) > 1}


def find_renames(
    base: str, heads: Sequence[str], files: Sequence[Mapping[str, TreeFile]], cwd: Path | None = None
) -> list[dict[str, str]]:
    """The files that each head calls otherwise than the base: old path to new, found as ``git merge`` finds them.

    ``files``: those of the base and of each head. Git is not asked about a head that has all that the base has.
    """
    old, *held = files
    return [
        {} if old.keys() <= new.keys() else _find_renames_of(base, head, cwd)
        for head, new in zip(heads, held, strict=True)
    ]


def _find_renames_of(base: str, head: str, cwd: Path | None) -> dict[str, str]:
    asked = read_last_values(["merge.renames", "diff.renames"], cwd=cwd)
    if is_false(asked.get("merge.renames", asked.get("diff.renames", ""))):
        return {}
    fields = iter(split_nul(git("diff-tree", "-r", "-z", "-M", "--diff-filter=R", base, head, cwd=cwd)))
    return {next(fields): next(fields) for _ in fields}


def write_blob(content: bytes, cwd: Path | None = None) -> str:
    """Store a blob as it is, past all filters; returns its id."""
    return git("hash-object", "-w", "--stdin", cwd=cwd, stdin=content).decode().strip()


def write_changed_tree(commit: str, changes: Mapping[str, TreeFile | None], cwd: Path | None = None) -> str:
    """The id of a commit's tree with other files in some places, or none there. The index is left alone."""
    lines = [_index_line(path, file, len(commit)) for path, file in changes.items()]
    with _scratch_index(commit, cwd) as env:
        git("update-index", "-z", "--index-info", cwd=cwd, env=env, stdin=b"".join(lines))
        return git("write-tree", cwd=cwd, env=env).decode().strip()


def tree_of_index(cwd: Path | None = None) -> str:
    """The id of the tree that is staged; the index may be locked. Raises GitError where it has a conflict."""
    import shutil
    import tempfile

    where = os.fsdecode(git("rev-parse", "--path-format=absolute", "--git-path", "index", cwd=cwd)).strip()
    with tempfile.TemporaryDirectory() as folder:
        index = shutil.copy(where, folder)
        return git("write-tree", cwd=cwd, env={**os.environ, "GIT_INDEX_FILE": index}).decode().strip()


def is_filtered_at(commit: str, path: str, cwd: Path | None = None) -> bool:
    """Whether Git applies our filter to a path (from the top), by the attributes that a commit brings along.

    Args:
        commit: the commit.
        path: the file, which need not be there.
        cwd: the top of the worktree; a bare repository.
    """
    with _scratch_index(commit, cwd) as env:
        answer = git("check-attr", "--cached", "-z", "filter", "--", path, cwd=cwd, env=env)
    return split_nul(answer)[2:3] == ["theta"]


@contextmanager
def _scratch_index(commit: str, cwd: Path | None) -> Iterator[dict[str, str]]:
    """The environment for commands that take a commit's tree for the index."""
    import tempfile  # 4 ms, with all that it brings: every filter knows this module

    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "GIT_INDEX_FILE": os.path.join(folder, "index")}  # noqa: PTH118 (it becomes a string)
        git("read-tree", commit, cwd=cwd, env=env)
        yield env


def _index_line(path: str, file: TreeFile | None, digits: int) -> bytes:
    mode, oid = (file.mode, file.oid) if file else ("0", "0" * digits)
    return os.fsencode(f"{mode} {oid} 0\t{path}\0")


def require_safe_path(path: str) -> None:
    """Raise GitError for a path of a commit that leads elsewhere: a tree may say anything (L10)."""
    pieces = path.split("/")
    if path.startswith("/") or any(piece.lower() in ("", ".", "..", ".git") for piece in pieces):
        raise GitError(f"the commit has a file {path!r}, which no worktree may have", hint="Do not trust this commit.")
