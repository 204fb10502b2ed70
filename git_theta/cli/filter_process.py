"""What ``filter.theta.process`` runs: Git's long-running filter, wired to clean and smudge.

Quick to start (L12): the standard library alone until there is something to store, and of ours what is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from git_theta.cli import boundary
from git_theta.cli.git_output import claim_stdout
from git_theta.cli.progress import Meter
from git_theta.errors import ThetaError
from git_theta.operations.context import Context
from git_theta.repository.setup.hook_placing import ensure_hooks
from git_theta.repository.stores.opening import open_context
from git_theta.repository.stores.storage_preferences import STORAGE_KEYS
from git_theta.tensors.blas import UNTHREADED
from git_theta.vcs.config import read_last_values
from git_theta.vcs.discovery import LOCATION_KEYS, Repository, discover_at_top
from git_theta.vcs.filter_protocol import Handler, ReadInto, serve_filter
from git_theta.vcs.git import is_below_merge
from git_theta.vcs.pktline import Buffer, PacketReader, PacketWriter

if TYPE_CHECKING:
    from git_theta.cli.filter_cleaning import FileCleaner
    from git_theta.cli.filter_smudging import FileSmudger

SKIP_SMUDGE = "GIT_THETA_SKIP_SMUDGE"
"""Set to one of YES, manifests are checked out as they are; `git theta checkout` gets the files later."""

YES_WORDS = ("1", "true", "yes", "on")

_FILTER_KEYS = (*STORAGE_KEYS, *LOCATION_KEYS)
"""What a filter needs of Git's configuration, to be asked for once."""


def is_smudge_skipped() -> bool:
    """Whether manifests are to be checked out as they are."""
    return os.environ.get(SKIP_SMUDGE, "").lower() in YES_WORDS


def prepare_filter() -> dict[str, str]:
    """Make the environment one for a filter, and read what it needs of Git's configuration. Raises GitError."""
    # `checkout --recurse-submodules` of git < 2.40 leaves it to filters, and most git commands that we run refuse it.
    os.environ.pop("GIT_INTERNAL_SUPER_PREFIX", None)
    os.environ.setdefault(*UNTHREADED)
    return read_last_values(_FILTER_KEYS)


def main() -> int:
    """Serve Git on standard input and output."""
    output = PacketWriter(claim_stdout())
    settings = prepare_filter()
    repository, meter = discover_at_top(settings), Meter()
    ensure_hooks(repository)
    if _may_merge(repository):
        _look_at_merge(repository)
    with open_context(repository, boundary.warn, meter, settings=settings) as context:
        session = _Session(repository, context, meter)
        smudge_or_skip = session.skip if is_smudge_skipped() else session.smudge
        handlers: dict[str, Handler] = {"clean": session.clean, "smudge": smudge_or_skip}
        serve_filter(PacketReader(0), output, handlers, boundary.report_error)
        session.finish()
    return 0


def _may_merge(repository: Repository) -> bool:
    """Whether Git may be merging something for which no hook asks us. A hook may be theirs: it is read."""
    from git_theta.vcs.callers.parent_checkout import applied_stash
    from git_theta.vcs.callers.parent_picks import read_uncommitted_picks
    from git_theta.vcs.hooks import COMMIT_HOOK_NAME, runs_git_theta

    unasked = is_below_merge() or (repository.git_dir / "rebase-merge").is_dir()
    if unasked and not runs_git_theta(repository.hooks_dir, COMMIT_HOOK_NAME):
        return True
    is_applying = (repository.git_dir / "rebase-apply").is_dir() or bool(applied_stash())
    return is_applying or read_uncommitted_picks() is not None


def _look_at_merge(repository: Repository) -> None:
    """Say what goes wrong of a merge that Git commits without asking us. What we cannot read is not told here."""
    from git_theta.cli.across_files import warn_unasked  # with all of merging

    with suppress(ThetaError):
        warn_unasked(repository)


class _Session:
    """The files that one Git command filters. Most commands clean, or smudge: each is imported when it is asked for."""

    def __init__(self, repository: Repository, context: Context, meter: Meter) -> None:
        self._repository = repository
        self._context = context
        self._meter = meter
        self._last_smudged = ""

    @cached_property
    def _cleaner(self) -> FileCleaner:
        from git_theta.cli.filter_cleaning import FileCleaner

        return FileCleaner(self._repository, self._context, self._meter)

    @cached_property
    def _smudger(self) -> FileSmudger:
        from git_theta.cli.filter_smudging import FileSmudger

        return FileSmudger(self._repository, self._context, self._meter)

    def clean(self, readinto: ReadInto, path: str, tree: str) -> Iterator[Buffer]:  # noqa: ARG002
        just_smudged, self._last_smudged = bool(path) and path == self._last_smudged, ""
        return self._cleaner.clean_file(readinto, path, just_smudged=just_smudged)

    def smudge(self, readinto: ReadInto, path: str, tree: str) -> Iterator[Buffer]:
        self._last_smudged = path
        return self._smudger.smudge_file(readinto, path, tree)

    def skip(self, readinto: ReadInto, path: str, tree: str) -> Iterator[Buffer]:  # noqa: ARG002
        from git_theta.operations.restoring.smudge import copy_stream
        from git_theta.operations.streams import Stream

        return copy_stream(Stream(readinto), self._context)

    def finish(self) -> None:
        """Git has hung up: write what was deferred."""
        if "_smudger" in vars(self):
            self._smudger.finish()


def run_filter() -> int:
    """As Git reads it."""
    return boundary.run(main)


if __name__ == "__main__":
    boundary.run_process(run_filter)
