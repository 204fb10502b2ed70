"""Objects of this repository that nothing needs, found and deleted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from git_theta.errors import TransportError, UsageError
from git_theta.operations.context import Context
from git_theta.operations.keeping.collection import CollectionPlan, UnneededObject, delete_garbage, plan_collection
from git_theta.operations.merging.computed_results import find_remembered_objects
from git_theta.repository.keeping.object_roots import find_needed_objects
from git_theta.repository.stores.object_stores import open_own_stores
from git_theta.repository.stores.remote_transports import open_remote
from git_theta.transport.choose import choose_transport
from git_theta.transport.urls import local_path
from git_theta.vcs import remotes
from git_theta.vcs.alternates import read_alternates
from git_theta.vcs.discovery import Repository
from git_theta.vcs.remembered_settings import has_true_setting
from git_theta.vcs.worktrees import worktree_git_dirs

_LONGEST_WORK = 3600
"""Seconds after which what a command has stored is taken to be named."""
_INDEXES_AT_WORK = ("index.lock", "next-index-*", "index.stash.*")
"""What Git has in a worktree's Git directory while it adds, commits, merges; commits some files alone; stashes."""
_CLOCK = getattr(time, "CLOCK_REALTIME_COARSE", time.CLOCK_REALTIME)
"""The clock that files get their times from, which may be behind by the length of a tick."""


def choose_moment(asked: float, repository: Repository, *, dry_run: bool) -> float:
    """The moment (seconds since the epoch) from which on what is put or freshened is young: the one asked for or now.

    So whoever begins to work here later loses nothing, whatever was asked for. Raises UsageError where Git is at work
    already and may have stored before that moment what it is about to name.
    """
    moment = min(asked, time.clock_gettime(_CLOCK))
    if moment > time.time() - _LONGEST_WORK and not dry_run:
        for git_dir in worktree_git_dirs(repository.common_dir):
            for file in (found for pattern in _INDEXES_AT_WORK for found in git_dir.glob(pattern)):
                raise UsageError(
                    f"Git is at work here ({file}), and what it stores is named when it is done: nothing is deleted",
                    hint="Wait for it, or keep what it may have stored: --grace 1.hour\n"
                    "If no Git runs here, that file was left by one that was killed: remove it.",
                )
    return moment


def require_no_borrowers(repository: Repository) -> None:
    """Raise UsageError where the repository is known to lend its objects: what borrowers need is not known here.

    It is known where its owner has said so, and of remotes of ours that are directories here.
    """
    if has_true_setting("extensions.preciousobjects"):
        raise UsageError(
            "other repositories borrow the objects of this one (extensions.preciousObjects): nothing is deleted",
            hint="What they need cannot be told from here. `git gc` deletes nothing here either.",
        )
    ours = os.path.realpath(repository.objects_dir)
    for name, url in remotes.remote_urls().items():
        other = _find_directory(url, repository)
        lenders = read_alternates(other.objects_dir).found if other else ()
        if ours in map(os.path.realpath, lenders):
            raise UsageError(
                f"{name} borrows the objects of this repository: nothing is deleted",
                hint="Let it have its own first. There: git repack -a -d, delete objects/info/alternates of its Git "
                "directory, git theta fetch --all",
            )


def plan_garbage(
    repository: Repository, context: Context, moment: float, *, complete: bool, forget_merges: bool = False
) -> CollectionPlan:
    """What there is to delete, of what was stored before a moment (seconds since the epoch). Changes nothing.

    ``complete``: as of ``find_needed_objects``. ``forget_merges``: whether what merges computed goes as well. Raises as
    ``find_needed_objects`` and ``plan_collection`` do.
    """
    remembered = set() if forget_merges else find_remembered_objects(context)
    needed = find_needed_objects(repository, complete=complete)
    return plan_collection(open_own_stores(repository), needed, remembered, moment)


def select_proven(
    garbage: Sequence[UnneededObject],
    remote: str,
    repository: Repository,
    context: Context,
    tell: Callable[[str], None],
) -> list[UnneededObject]:
    """Those of the objects that a remote has, where objects are fetched from it: it is asked now.

    ``tell`` says one thing to the person. Raises UsageError where no remote is called so, TransportError where it
    cannot be asked.
    """
    urls = remotes.remote_urls()
    if remote not in urls:
        remotes.refuse_unknown(remote, urls)
    choice = choose_transport(remote, urls[remote], remotes.read_transport_settings(), push=False)
    there = _find_directory(choice.address, repository) if choice.name == "directory" else None
    if there and there.common_dir.samefile(repository.common_dir):
        raise UsageError(
            f"{remote} is this repository, which proves nothing", hint="Name another remote: git remote -v"
        )
    if not garbage:
        return []
    # Not as who pushes, who would freshen what is there: hard links of ours, perhaps.
    with open_remote(remote, urls[remote], repository, context.store, push=False, tell=tell) as transport:
        lacking = set(transport.lacking({one.oid: one.size for one in garbage}))
        if transport.unverified:
            raise TransportError(f"{remote} cannot be asked what it has: {transport.unverified}")
    return [one for one in garbage if one.oid not in lacking]


def collect_garbage(
    garbage: Sequence[UnneededObject],
    moment: float,
    context: Context,
    progress: Callable[[int], None],
    *,
    forget_merges: bool = False,
) -> list[UnneededObject]:
    """Delete objects that nothing needs, and what this clone remembers of them; returns what was deleted.

    ``moment``, ``forget_merges``: as of ``plan_garbage``.
    """
    if forget_merges:
        context.state.forget_computed()
    # First: if we are killed in between, whoever looks for them stores them anew for nothing, and that is all.
    context.state.forget_objects({one.oid for one in garbage})
    return delete_garbage(garbage, moment, progress)


def _find_directory(url: str, repository: Repository) -> Repository | None:
    """The repository of a URL that is a directory on this machine; None for others."""
    path = local_path(url)
    return remotes.find_directory_repository(path, repository.home) if path else None
