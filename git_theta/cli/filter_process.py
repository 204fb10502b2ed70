"""What ``filter.theta.process`` runs: Git's long-running filter, wired to clean and smudge.

Quick to start (L12): the standard library alone until there is something to store.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from git_theta.cli import boundary
from git_theta.cli.progress import Meter
from git_theta.operations.adding.clean import clean_stream
from git_theta.operations.context import Context
from git_theta.operations.restoring.deferred import DEFERRED_SIZE, DeferredFiles
from git_theta.operations.restoring.smudge import copy_stream, smudge_stream
from git_theta.operations.streams import Stream
from git_theta.repository.hook_placing import ensure_hook, place_hook
from git_theta.repository.opening import conflicts_dir, open_context, refresh_index
from git_theta.vcs import index
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.filter_protocol import Handler, ReadInto, serve_filter
from git_theta.vcs.parent_process import is_recording, may_clean_stdin, may_defer
from git_theta.vcs.pktline import Buffer, PacketReader, PacketWriter
from git_theta.vcs.unused_smudge import is_smudge_unused
from git_theta.words import join_some

SKIP_SMUDGE = "GIT_THETA_SKIP_SMUDGE"
"""Set to one of YES, manifests are checked out as they are; `git theta checkout` gets the files later."""

YES_WORDS = ("1", "true", "yes", "on")


def is_smudge_skipped() -> bool:
    """Whether manifests are to be checked out as they are."""
    return os.environ.get(SKIP_SMUDGE, "").lower() in YES_WORDS


def main() -> int:
    """Serve Git on standard input and output. ``--written FILE``: answer clean alone, from that file where it can."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # temporary files go, as after Ctrl-C
    # `checkout --recurse-submodules` of git < 2.40 leaves it to filters, and most git commands that we run refuse it.
    os.environ.pop("GIT_INTERNAL_SUPER_PREFIX", None)
    if sys.argv[1:2] == ["--written"]:
        _serve_written(discover_repository(), json.loads(Path(sys.argv[2]).read_text()))
    else:
        _serve_filter(discover_repository())
    return 0


def _serve(handlers: dict[str, Handler]) -> None:
    serve_filter(PacketReader(0), PacketWriter(1), handlers, boundary.report_error)


def _serve_filter(repository: Repository) -> None:
    ensure_hook(repository)
    meter = Meter()
    with open_context(repository, boundary.warn, meter) as context:
        session = _Session(repository, context, meter)
        smudge_or_skip = session.skip if is_smudge_skipped() else session.smudge
        _serve({"clean": session.clean, "smudge": smudge_or_skip})
        session.finish()


class _Session:
    """The files that one Git command filters."""

    def __init__(self, repository: Repository, context: Context, meter: Meter) -> None:
        self._repository = repository
        self._context = context
        self._meter = meter
        self._deferred: DeferredFiles | None = None
        self._smudged = False
        self._cleaned = None if may_clean_stdin() else repository.worktree

    def clean(self, readinto: ReadInto, path: str) -> Iterator[Buffer]:
        with self._meter.show_work(f"Storing {path}"):
            text = clean_stream(Stream(readinto), path, self._cleaned, self._context)
        warn_if_contested(self._repository, path, text)
        yield text

    def smudge(self, readinto: ReadInto, path: str) -> Iterator[Buffer]:
        if is_smudge_unused(path):
            yield from self.skip(readinto, path)
            return
        self._begin_smudging()
        answer = smudge_stream(Stream(readinto), path, self._context)
        size = answer.manifest.size if answer.manifest else None
        if self._deferred:
            self._deferred.forget(path)
        if self._deferred and answer.manifest and answer.manifest.size >= DEFERRED_SIZE:
            self._deferred.add(path, answer.manifest, answer.text)
            yield answer.text
        else:
            with self._meter.show_work(f"Restoring {path}", size):
                yield from answer.pieces

    def skip(self, readinto: ReadInto, path: str) -> Iterator[Buffer]:  # noqa: ARG002
        yield from copy_stream(Stream(readinto), self._context)

    def finish(self) -> None:
        """Git has hung up: write what was deferred."""
        top = self._repository.worktree
        if self._deferred and top:
            with self._meter.show_work("Restoring", self._deferred.size):
                self._deferred.write(partial(refresh_index, top), partial(index.invalidate_entries, worktree=top))

    def _begin_smudging(self) -> None:
        if self._smudged:
            return
        self._smudged = True
        place_hook(self._repository)
        if self._repository.worktree and may_defer(self._repository.hooks_dir):
            # With an index of the user's own, the repository's is not told of the file. It may hold an entry of this
            # very second, and would take a file whose time was set back for the one it knows: Git compares seconds.
            own = "GIT_INDEX_FILE" not in os.environ
            self._deferred = DeferredFiles(
                self._repository.worktree, self._context, boundary.report_error, backdate=own
            )


def warn_if_contested(repository: Repository, path: str, text: bytes) -> None:
    """Warn a person who stages a file in conflict of contested parameters that are left."""
    if _may_be_in_conflict(repository) and is_recording():
        from git_theta.repository.open_conflicts import find_recorded_ours

        names = find_recorded_ours(repository, path, text)
        if names:
            plural = "s are" if len(names) > 1 else " is"
            boundary.warn(
                f"{path}: {len(names):,} contested parameter{plural} recorded as ours: {join_some(names)}",
                hint=f"If that is not meant: git checkout --merge -- {path}; then git theta resolve.",
            )


def _may_be_in_conflict(repository: Repository) -> bool:
    """Whether a merge left anything contested here: one look at a folder that most repositories lack."""
    with contextlib.suppress(OSError):
        return any(os.scandir(conflicts_dir(repository)))
    return False


def _serve_written(repository: Repository, texts: dict[str, str]) -> None:
    """Answer clean with the manifests that we have just written the worktree from.

    Git asks for other files too: those that were written in the second in which it wrote its index.
    """
    with open_context(repository, boundary.warn) as context:

        def answer(readinto: ReadInto, path: str) -> Iterator[Buffer]:
            if path in texts:
                yield texts[path].encode()
            else:
                yield clean_stream(Stream(readinto), path, repository.worktree, context)

        _serve({"clean": answer})


if __name__ == "__main__":
    sys.exit(boundary.run(main))
