"""Refs of ours on a remote, without which it loses objects: no push deletes them unasked."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from git_theta.errors import UsageError
from git_theta.repository.pointers import POINTERS_BRANCH, open_pointer_scratch
from git_theta.vcs import parent_process
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git

_OURS = "refs/theta/*"
"""Pointers, and where a host has Git alone the objects themselves."""
_UNSAID = {"": (), "all": (_OURS, POINTERS_BRANCH), "branches": (POINTERS_BRANCH,)}
"""Patterns of those that a push deletes without a word to the hook."""


def require_refs_kept(deleted: Iterable[str], remote: str, url: str, repository: Repository) -> None:
    """Raise UsageError where the push whose hook we are would delete refs of ours on the remote.

    That is what `git push --mirror` does to refs that are not here, as ours are not.

    Args:
        deleted: the refs that the hook was told are deleted.
        remote: the remote's name; its URL where it has none.
        url: where Git pushes to.
        repository: the one that is pushed.
    """
    doomed = [ref for ref in deleted if ref == POINTERS_BRANCH or fnmatchcase(ref, _OURS)]
    if not doomed and (patterns := _UNSAID[parent_process.deletes_other_refs()]):
        with open_pointer_scratch(remote, url, repository) as scratch:
            there = scratch.list_remote_refs(*patterns)
        here = git("for-each-ref", "--format=%(refname)").decode(errors="surrogateescape").split()
        doomed = sorted(set(there) - set(here))
    if doomed:
        raise UsageError(
            f"this push would delete {doomed[0]}, without which {remote} loses objects",
            hint="Push without --mirror and --prune: git push --all, git push --tags\n"
            "To delete it all the same: git push --no-verify",
        )
