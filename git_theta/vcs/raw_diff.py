"""The files that differ between two versions, as Git tells them apart: commits, the index, the worktree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import GitError, UsageError
from git_theta.vcs.git import git, split_nul
from git_theta.vcs.lost_trees import require_trees
from git_theta.vcs.unknown_revisions import find_unknown, refuse_revision

_ABSENT_MODE = "000000"
"""Git's mode of what is not there."""
_UNMERGED = "U"
_RAW_DIFF = (
    "diff", "--raw", "-z", "-M", "--no-abbrev", "--no-ext-diff", "--no-color", "--no-relative", "--no-exit-code",
    "--ignore-submodules",
)  # fmt: skip


class FileVersion(NamedTuple):
    """A file at one version.

    Attributes:
        path: from the top.
        mode: as Git has it: ``100644``, ``100755``, ``120000``, ``160000``.
        oid: of its blob; "" where it is the worktree's file, which Git has not hashed.
    """

    path: str
    mode: str
    oid: str

    @property
    def is_regular(self) -> bool:
        """Whether it is neither a link nor a submodule."""
        return self.mode.startswith("100")


class FilePair(NamedTuple):
    """A file at both versions; None where it was not there. ``unmerged``: it is in conflict, and has no one version."""

    before: FileVersion | None
    after: FileVersion | None
    unmerged: str = ""


class VersionRange(NamedTuple):
    """What is compared with what.

    Attributes:
        revisions: for Git's command line: none, one, two, ``A..B`` or ``A...B``.
        labels: what people call both versions.
        cached: whether the index stands in for the worktree.
    """

    revisions: tuple[str, ...]
    labels: tuple[str, str]
    cached: bool = False

    @property
    def ends_in_worktree(self) -> bool:
        """Whether the second version is the worktree."""
        return not self.cached and len(self.revisions) < 2 and not any(".." in name for name in self.revisions)

    @property
    def common_version(self) -> str:
        """A version that has whatever is the same at both: a revision, or "" for the index."""
        if self.cached or not self.revisions:
            return ""
        return self.revisions[-1].rpartition("..")[2] or "HEAD"


def range_among(words: Sequence[str], cwd: Path | None = None) -> VersionRange:
    """What ``git diff`` compares that is given these words: options, revisions and paths. Raises UsageError."""
    cached = not {"--cached", "--staged"}.isdisjoint(words)
    names = [word for word in words if not word.startswith("-") and not find_unknown([word], cwd)]
    return parse_range(names, cached=cached)


def parse_range(revisions: Sequence[str], *, cached: bool) -> VersionRange:
    """What ``git diff`` compares, given these. Raises UsageError where that are more than two versions."""
    if len(revisions) > 2 or (len(revisions) > 1 and any(".." in name for name in revisions)):
        raise UsageError("more than two versions", hint="Name one or two, or A..B, or A...B for what B did since A.")
    if cached and (len(revisions) > 1 or any(".." in name for name in revisions)):
        raise UsageError("--cached compares the index with one version", hint="Leave the other one out.")
    return VersionRange(tuple(revisions), _range_labels(revisions, cached), cached)


def _range_labels(revisions: Sequence[str], cached: bool) -> tuple[str, str]:
    if cached:
        return (revisions[0] if revisions else "HEAD"), "index"
    if not revisions:
        return "index", "worktree"
    if len(revisions) == 2:
        return revisions[0], revisions[1]
    before, dots, after = revisions[0].partition("..")
    if not dots:
        return before, "worktree"
    symmetric = after.startswith(".")
    before, after = before or "HEAD", after.removeprefix(".") or "HEAD"
    return f"merge base of {before} and {after}" if symmetric else before, after


def changed_files(
    span: VersionRange, pathspecs: Sequence[str] = (), *, cwd: Path | None = None, unread: bool = False
) -> list[FilePair]:
    """The files that differ, in Git's order, with the renames that Git finds.

    Args:
        span: what is compared.
        pathspecs: Git's, relative to ``cwd``; none for all.
        cwd: a folder of the repository; None for the current one.
        unread: no file of the worktree is read. Those that were touched are listed too, and no renames are found.

    Raises UsageError for what is no revision.
    """
    options = [*(["--cached"] if span.cached else []), *(["--no-renames"] if unread else [])]
    config = {"diff.autoRefreshIndex": "false"} if unread else {}
    try:
        output = git(*_RAW_DIFF, *options, *span.revisions, "--", *pathspecs, cwd=cwd, config=config)
    except GitError:
        if unknown := find_unknown(span.revisions, cwd):
            refuse_revision(unknown, cwd)
        raise
    return list(_parse_raw(split_nul(output), span))


def _parse_raw(items: Iterable[str], span: VersionRange) -> Iterator[FilePair]:
    words = iter(items)
    for facts in words:
        mode_before, mode_after, oid_before, oid_after, status = facts.removeprefix(":").split(" ")
        path = next(words)
        if status == _UNMERGED:
            yield FilePair(None, None, path)
            continue
        moved = next(words) if status[0] in "RC" else path
        if span.ends_in_worktree and status[0] in "RCA":
            oid_after = ""  # looking for renames, Git has hashed the file, and prints the id of what it did not store
        yield FilePair(_file_version(path, mode_before, oid_before), _file_version(moved, mode_after, oid_after))


def _file_version(path: str, mode: str, oid: str) -> FileVersion | None:
    return None if mode == _ABSENT_MODE else FileVersion(path, mode, oid if oid.strip("0") else "")


def list_folder(span: VersionRange, folder: str, cwd: Path | None = None) -> dict[str, str]:
    """The files right in a folder ("" for the top) that both versions may have: path to the id of the blob.

    Raises GitError, with the commit, for a folder whose tree Git cannot read.
    """
    prefix = f"{folder}/" if folder else ""
    listed = _list_tree(span.common_version, folder, cwd) if span.common_version else _list_index(prefix, cwd)
    return {path: oid for path, mode, oid in listed if mode.startswith("100") and "/" not in path.removeprefix(prefix)}


def _list_tree(revision: str, folder: str, cwd: Path | None) -> Iterator[tuple[str, str, str]]:
    """Path, mode and id of what a folder of a revision has; nothing where it has no such folder."""
    try:
        output = git("ls-tree", "-z", "--full-tree", f"{revision}:{folder}", cwd=cwd)
    except GitError:  # the folder is another version's, or what is compared are no trees
        require_trees(revision, folder, cwd)
        return
    for item in split_nul(output):
        facts, _, name = item.partition("\t")
        mode, _, oid = facts.split(" ")
        yield (f"{folder}/{name}" if folder else name), mode, oid


def _list_index(prefix: str, cwd: Path | None) -> Iterator[tuple[str, str, str]]:
    """Path, mode and id of what the index has below a folder."""
    for item in split_nul(git("ls-files", "-s", "-z", "--full-name", "--", f":(top,literal){prefix}", cwd=cwd)):
        facts, _, path = item.partition("\t")
        mode, oid, _ = facts.split(" ")
        yield path, mode, oid
