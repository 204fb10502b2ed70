"""Blobs by the paths at which commits hold them: a walk of objects tells each blob once, with one of its paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

from git_theta.errors import GitError
from git_theta.vcs.git import git, open_scratch, read_fields, run_git, split_nul


def blobs_of_trees(tips: Iterable[str], matches: Callable[[str], bool]) -> set[str]:
    """The ids of the files of these commits (or tags, trees) whose path ``matches``."""
    found = set()
    for tip in tips:
        with suppress(GitError):  # a tag of a blob
            for item in split_nul(git("ls-tree", "-r", "-z", "--full-tree", tip)):
                facts, _, path = item.partition("\t")
                if matches(path):
                    found.add(facts.split()[2])
    return found


def blobs_of_history(names: Sequence[str], matches: Callable[[str], bool]) -> set[str]:
    """The ids that files had at paths that ``matches`` in commits that ids reach, not those behind ``^``.

    Without names: in all that refs, HEADs, reflogs and the index hold.
    """
    form = ("-z", "--raw", "--no-abbrev", "--no-renames", "-m", "--root", "--no-show-signature", "--format=")
    which = ["--stdin"] if names else ["--all", "--reflog"]
    with open_scratch(in_memory=True) as listing:
        listing.write(b"".join(name.encode() + b"\n" for name in names))
        listing.seek(0)
        with run_git("log", *form, *which, stdin=listing) as output:
            found = {words[3] for words, path in _pair(read_fields(output)) if matches(path)}
    if names:
        return found | blobs_of_trees((name for name in names if not name.startswith("^")), matches)
    staged = (item.partition("\t") for item in split_nul(git("ls-files", "-z", "--stage", "--full-name", ":/")))
    return found | {facts.split()[1] for facts, _, path in staged if matches(path)}


def _pair(fields: Iterator[str]) -> Iterator[tuple[list[str], str]]:
    """The facts of each change, and its path; between commits there may be more."""
    for facts in fields:
        if facts.lstrip("\n").startswith(":"):
            yield facts.split(), next(fields)
