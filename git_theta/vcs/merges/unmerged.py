"""Files in conflict: the stages that the index has for them, and staging what settles them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.vcs.blobs import iterate_wanted_blobs
from git_theta.vcs.git import git, split_nul
from git_theta.vcs.trees import TreeFile, write_blob

_LISTED = ("--pathspec-from-file=-", "--pathspec-file-nul")


class UnmergedFile(NamedTuple):
    """A file in conflict.

    Attributes:
        path: relative to the top of the worktree.
        mode: of ours, or of the first stage there is.
        oids: ids of base, ours and theirs; "" where there is no such stage.
    """

    path: str
    mode: str
    oids: tuple[str, str, str]

    @property
    def is_one_sided(self) -> bool:
        """Whether one side alone changed it: Git merges that, so that it is here for what other files have."""
        return len(set(self.oids)) < len(self.oids)

    @property
    def is_removed(self) -> bool:
        """Whether one side alone removed it."""
        base, ours, theirs = self.oids
        return bool(base) and bool(ours) != bool(theirs)


def unmerged_files(pathspecs: Sequence[str] = (), cwd: Path | None = None) -> list[UnmergedFile]:
    """The files in conflict that match, in Git's order.

    Args:
        pathspecs: Git's, relative to ``cwd``; none for all below it.
        cwd: a folder of the worktree; None for the current one.
    """
    oids: dict[str, list[str]] = {}
    modes: dict[str, str] = {}
    for item in split_nul(git("ls-files", "-u", "-z", "--full-name", "--", *pathspecs, cwd=cwd)):
        facts, _, path = item.partition("\t")
        mode, oid, stage = facts.split(" ")
        oids.setdefault(path, ["", "", ""])[int(stage) - 1] = oid
        if stage == "2" or path not in modes:
            modes[path] = mode
    return [UnmergedFile(path, modes[path], (base, ours, theirs)) for path, (base, ours, theirs) in oids.items()]


def list_matching(pathspecs: Sequence[str], commits: Iterable[str]) -> set[str]:
    """The files of the index, and of any of these commits, that match pathspecs of the current folder."""
    options = ("-z", "--full-name")
    listed = (git("ls-files", *options, f"--with-tree={commit}", "--", *pathspecs) for commit in commits)
    return {path for paths in listed for path in split_nul(paths)}


def take_files(commit: str, paths: Iterable[str], gone: Sequence[str], worktree: Path) -> None:
    """Put a commit's files into index and worktree, and have others gone from both: their conflicts are settled.

    What is in the worktree at any of these paths is overwritten; what Git does not know of ``gone`` stays. Stopped in
    between, some are in conflict as before, so that nothing looks settled.

    Args:
        commit: any.
        paths: what it has of them is taken.
        gone: what is removed.
        worktree: its top.
    """
    contested = {file.path for file in unmerged_files((), worktree)}
    settled, last = [path for path in gone if path not in contested], [path for path in gone if path in contested]
    _remove_files(settled, worktree)
    if taken := _list_paths(paths):
        git("--literal-pathspecs", "checkout", "--quiet", commit, *_LISTED, cwd=worktree, stdin=taken, show=True)
    _remove_files(last, worktree)


def _remove_files(paths: Iterable[str], worktree: Path) -> None:
    if removed := _list_paths(paths):
        options = ("--quiet", "--force", "--ignore-unmatch")
        git("--literal-pathspecs", "rm", *options, *_LISTED, cwd=worktree, stdin=removed)


def _list_paths(paths: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def put_in_conflict(stages: Mapping[str, Sequence[TreeFile | None]], worktree: Path) -> None:
    """Leave files of the index in conflict, with what base, ours and theirs have there; the worktree stays as it is."""
    none = "0" * max((len(file.oid) for held in stages.values() for file in held if file), default=0)
    facts = [(f"0 {none} 0", path) for path in stages]
    for path, held in stages.items():
        facts += [(f"{file.mode} {file.oid} {stage}", path) for stage, file in enumerate(held, 1) if file]
    _write_index(facts, worktree)


def works_on_index(git_dir: Path) -> bool:
    """Whether what runs us works on the repository's index, and not on another one that it drops if it gives up.

    So does ``git commit -a``, with the index locked.
    """
    index = os.environ.get("GIT_INDEX_FILE")
    return index is None or Path(index).resolve() == (git_dir / "index").resolve()


def read_stages(file: UnmergedFile, wanted: Callable[[bytes], bool], largest: int) -> Iterator[tuple[str, bytes]]:
    """The contents of its stages, one at a time, each with the id that it has among ``oids``.

    Args:
        file: the file in conflict.
        wanted: told the start of a stage, whether to read it: others are left out.
        largest: bytes above which it is not read at all.
    """
    return iterate_wanted_blobs(filter(None, file.oids), wanted, largest)


def stage_content(path: str, mode: str, content: bytes, worktree: Path) -> None:
    """Record ``content`` for a path, which settles its conflict. The path is taken literally."""
    stage_contents({path: content}, mode, worktree)


def stage_contents(contents: Mapping[str, bytes | None], mode: str, worktree: Path) -> None:
    """Record contents by path, None for no file there; all in one step, which settles their conflicts."""
    oids = {path: "" if content is None else write_blob(content, worktree) for path, content in contents.items()}
    none = "0" * max(map(len, oids.values()))
    _write_index([(f"{mode} {oid} 0" if oid else f"0 {none} 0", path) for path, oid in oids.items()], worktree)


def _write_index(facts: Iterable[tuple[str, str]], worktree: Path) -> None:
    """Have ``git update-index`` take entries: mode, id and stage, each with its path."""
    entries = [said.encode() + b"\t" + os.fsencode(path) + b"\0" for said, path in facts]
    git("update-index", "-z", "--index-info", cwd=worktree, stdin=b"".join(entries))
