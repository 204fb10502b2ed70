"""Refs of ours on a remote, without which it loses objects: no push deletes them unasked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from git_theta.errors import UsageError
from git_theta.repository.sharing.pointers import POINTERS_BRANCH, open_pointer_scratch
from git_theta.vcs.callers.parent_push import deletes_other_refs
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, git_succeeds

_OURS = "refs/theta/*"
"""Pointers, and where a host has Git alone the objects themselves."""
_UNSAID = {"": (), "all": (_OURS, POINTERS_BRANCH), "branches": (POINTERS_BRANCH,)}
"""Patterns of those that a push deletes without a word to the hook."""


class RefUpdate(NamedTuple):
    """What a push does to a ref of the remote: from id to id, zeros for none."""

    ref: str
    old: str
    new: str

    @property
    def loses_history(self) -> bool:
        """Whether the new commit has not got the old one behind it, as far as is known here."""
        if not self.old.strip("0"):
            return False
        return not self.new.strip("0") or not git_succeeds("merge-base", "--is-ancestor", self.old, self.new)


def require_refs_kept(
    updates: Iterable[RefUpdate], remote: str, url: str, repository: Repository, tell: Callable[[str], None]
) -> None:
    """Raise UsageError where the push whose hook we are would delete refs of ours on the remote, or what is in them.

    That is what `git push --mirror` does to refs that are not here, as ours are not, and to those that a clone with
    ``--mirror`` brought here, when somebody else has pushed since.

    Args:
        updates: what the hook was told.
        remote: the remote's name; its URL where it has none.
        url: where Git pushes to.
        repository: the one that is pushed.
        tell: says one thing to the person: that the host is silent.
    """
    ours = (one for one in updates if one.ref == POINTERS_BRANCH or fnmatchcase(one.ref, _OURS))
    doomed = [one.ref for one in ours if one.loses_history]
    if not doomed and (patterns := _UNSAID[deletes_other_refs()]):
        with open_pointer_scratch(remote, url, repository, tell) as scratch:
            there = scratch.list_remote_refs(*patterns)
        here = git("for-each-ref", "--format=%(refname)").decode(errors="surrogateescape").split()
        doomed = sorted(set(there) - set(here))
    if doomed:
        raise UsageError(
            f"this push would delete {doomed[0]}, or what is new in it, without which {remote} loses objects",
            hint="Push without --mirror and --prune: git push --all, git push --tags\n"
            "To delete it all the same: git push --no-verify",
        )
