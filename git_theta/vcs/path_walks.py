"""Blobs by the paths at which commits hold them: a walk of objects tells each blob once, with one of its paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from git_theta.vcs.git import git, open_scratch, read_fields, run_git, split_nul
from git_theta.vcs.lost_trees import naming_commit


class PathedBlob(NamedTuple):
    """A path from the top, and the id of a blob that stands there in some commit or index."""

    path: str
    oid: str


def list_tree_paths(tips: Iterable[str]) -> Iterator[PathedBlob]:
    """The files of these commits (or tags, trees). Raises GitError where Git cannot read a tree."""
    for tip in tips:
        if git("cat-file", "-t", f"{tip}^{{}}") == b"blob\n":
            continue
        with naming_commit(tip):
            listed = split_nul(git("ls-tree", "-r", "-z", "--full-tree", tip))
        for item in listed:
            facts, _, path = item.partition("\t")
            yield PathedBlob(path, facts.split()[2])


def list_history_paths(names: Sequence[str]) -> Iterator[PathedBlob]:
    """The files, each version once or more, of all commits that ids reach, not those behind ``^``.

    Without names: of all that refs, HEADs, reflogs and the index hold.
    """
    form = ("-z", "--raw", "--no-abbrev", "--no-renames", "-m", "--root", "--no-show-signature", "--format=")
    which = ["--stdin"] if names else ["--all", "--reflog"]
    with open_scratch(in_memory=True) as listing:
        listing.write(b"".join(name.encode() + b"\n" for name in names))
        listing.seek(0)
        with run_git("log", *form, *which, stdin=listing) as output:
            yield from (PathedBlob(path, words[3]) for words, path in _pair(read_fields(output)))
    if names:
        yield from list_tree_paths(name for name in names if not name.startswith("^"))
        return
    for item in split_nul(git("ls-files", "-z", "--stage", "--full-name", ":/")):
        facts, _, path = item.partition("\t")
        yield PathedBlob(path, facts.split()[1])


def _pair(fields: Iterator[str]) -> Iterator[tuple[list[str], str]]:
    """The facts of each change, and its path; between commits there may be more."""
    for facts in fields:
        if facts.lstrip("\n").startswith(":"):
            yield facts.split(), next(fields)
