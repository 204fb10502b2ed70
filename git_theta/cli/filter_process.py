"""What ``filter.theta.process`` runs: Git's long-running filter, wired to clean and smudge.

Quick to start (L12): the standard library alone until there is something to store.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from functools import partial

from git_theta.cli import boundary
from git_theta.cli.git_output import claim_stdout
from git_theta.cli.progress import Meter
from git_theta.cli.push_warning import warn_of_pushes
from git_theta.errors import MissingObject, PluginError, UsageError
from git_theta.manifest.text import is_manifest
from git_theta.operations.adding.clean import Cleaning, clean_pieces
from git_theta.operations.context import Context
from git_theta.operations.restoring.deferred import DEFERRED_SIZE, DeferredFiles
from git_theta.operations.restoring.materialise import require_room
from git_theta.operations.restoring.smudge import SmudgeResult, copy_stream, smudge_stream
from git_theta.operations.streams import Stream
from git_theta.repository.setup.hook_placing import ensure_hook, place_hook
from git_theta.repository.sharing.checkout_objects import CheckoutFetch
from git_theta.repository.stores.opening import conflicts_dir, open_context, partial_dir
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.filter_protocol import Handler, ReadInto, serve_filter
from git_theta.vcs.index import WorktreeIndex
from git_theta.vcs.nearby_attributes import ENCODING, may_be_recoded
from git_theta.vcs.parent_process import (
    checks_out_tree,
    fills_clone,
    is_recording,
    is_renormalizing,
    may_clean_stdin,
    may_defer,
    only_asks,
    only_compares,
    takes_file_away,
)
from git_theta.vcs.pktline import Buffer, PacketReader, PacketWriter
from git_theta.vcs.unused_smudge import is_smudge_unused
from git_theta.words import join_some, pluralize

SKIP_SMUDGE = "GIT_THETA_SKIP_SMUDGE"
"""Set to one of YES, manifests are checked out as they are; `git theta checkout` gets the files later."""

_NAMELESS = "(a file without a name)"
"""What a file is called that the client does not name: no path from the top, so that nothing is found there."""

YES_WORDS = ("1", "true", "yes", "on")


def is_smudge_skipped() -> bool:
    """Whether manifests are to be checked out as they are."""
    return os.environ.get(SKIP_SMUDGE, "").lower() in YES_WORDS


def read_cleaning() -> Cleaning:
    """What becomes of what is cleaned, by the Git command that asks for it."""
    renormalizes = partial(is_renormalizing, just_smudged=True)
    return Cleaning(keep=not only_asks(), records=not only_compares(), renormalizes=renormalizes)


def main() -> int:
    """Serve Git on standard input and output."""
    output = PacketWriter(claim_stdout())
    # `checkout --recurse-submodules` of git < 2.40 leaves it to filters, and most git commands that we run refuse it.
    os.environ.pop("GIT_INTERNAL_SUPER_PREFIX", None)
    repository, meter = discover_repository(), Meter()
    ensure_hook(repository)
    with open_context(repository, boundary.warn, meter) as context:
        session = _Session(repository, context, meter)
        smudge_or_skip = session.skip if is_smudge_skipped() else session.smudge
        handlers: dict[str, Handler] = {"clean": session.clean, "smudge": smudge_or_skip}
        serve_filter(PacketReader(0), output, handlers, boundary.report_error)
        session.finish()
    return 0


class _Session:
    """The files that one Git command filters."""

    def __init__(self, repository: Repository, context: Context, meter: Meter) -> None:
        self._repository = repository
        self._remotes = CheckoutFetch(context)
        self._context = context._replace(fetch=self._remotes.fetch)
        self._waiting: list[tuple[str, MissingObject | PluginError]] = []
        self._meter = meter
        self._deferred: DeferredFiles | None = None
        self._smudged = False
        self._failing = False
        self._cleaned = None if may_clean_stdin() else repository.worktree
        self._asked = read_cleaning()
        self._must_answer = takes_file_away()
        self._is_clone = fills_clone()
        self._warned_of_pushes = False
        self._last_smudged = ""

    def clean(self, readinto: ReadInto, path: str, tree: str) -> Iterator[Buffer]:  # noqa: ARG002
        top = self._cleaned if path else None  # nameless, the file of the worktree cannot help
        if path and self._asked.records:
            require_encoding(self._repository, path)
        path = path or _NAMELESS
        what = f"Storing {path}" if self._asked.keep else f"Comparing {path}"
        with self._meter.show_work(what, self._size_of(path)):
            renormalizes = partial(is_renormalizing, just_smudged=self._last_smudged == path)
            asked = self._asked._replace(renormalizes=renormalizes)
            self._last_smudged = ""
            pieces = clean_pieces(Stream(readinto), path, top, self._context, asked)
            first = next(pieces, b"")
        if path and self._asked.records:
            require_whole_file(self._repository, path, bytes(first))
        warn_if_contested(self._repository, path, bytes(first))
        if not self._warned_of_pushes and is_manifest(bytes(first)):
            self._warned_of_pushes = True
            if is_recording():
                warn_of_pushes(self._repository)
        yield first
        yield from pieces

    def _size_of(self, path: str) -> int | None:
        """Bytes of the file that Git is likely to send."""
        with contextlib.suppress(OSError):
            return (self._cleaned / path).lstat().st_size if self._cleaned else None
        return None

    def smudge(self, readinto: ReadInto, path: str, tree: str) -> Iterator[Buffer]:
        self._last_smudged = path
        if path and is_smudge_unused(path):
            yield from self.skip(readinto, path, tree)
            return
        self._remotes.tree = tree if checks_out_tree() else ""
        self._begin_smudging()
        self._failing = True
        name = path or _NAMELESS
        # Without its first checkout a clone has no index, and is of little use. Elsewhere what is there stays as it is.
        keep = (lambda error: self._waiting.append((name, error))) if self._is_clone else None
        answer = smudge_stream(
            Stream(readinto), name, self._context, must_answer=self._must_answer, report_missing=keep
        )
        if path and self._defer(path, answer):
            yield answer.text
        else:
            with self._meter.show_work(f"Restoring {path}", answer.manifest.size if answer.manifest else None):
                yield from answer.pieces
        self._failing = False

    def _defer(self, path: str, answer: SmudgeResult) -> bool:
        """Whether this file is going to be written when Git has hung up."""
        if self._deferred is None or self._repository.worktree is None:
            return False
        self._deferred.forget(path)
        if answer.manifest is None or answer.manifest.size < DEFERRED_SIZE:
            return False
        # How much room there is for all of them is known when Git has hung up: until then it takes old files away. It
        # can fail until then, and what it has done stays done: so it is to fail at the first file, or not at all.
        if not self._deferred.count:
            require_room(answer.manifest.size, self._repository.worktree)
        self._deferred.add(path, answer.manifest, answer.text)
        return True

    def skip(self, readinto: ReadInto, path: str, tree: str) -> Iterator[Buffer]:  # noqa: ARG002
        yield from copy_stream(Stream(readinto), self._context)

    def finish(self) -> None:
        """Git has hung up: write what was deferred."""
        self._tell_waiting()
        top = self._repository.worktree
        if self._deferred is None or top is None:
            return
        if self._failing:  # Git gives up after a failure, waits for us with its index locked, and leaves that as it was
            self._deferred.abandon()
        else:
            with self._meter.show_work("Restoring", self._deferred.size, self._deferred.count):
                self._deferred.write(WorktreeIndex(top), self._meter.begin_item)

    def _tell_waiting(self) -> None:
        """Say which files a clone has not got, once for all of them."""
        if missing := [path for path, error in self._waiting if isinstance(error, MissingObject)]:
            from git_theta.operations.availability import fetch_hint

            boundary.warn(
                f"the objects of {pluralize(len(missing), 'file')} could not be had, whose manifests stand in the "
                f"place: {join_some(missing, 5)}",
                hint=f"{fetch_hint(self._remotes.reasons)}\nThe rest is there. When they can be had: git theta pull",
            )
        unreadable = {path: error for path, error in self._waiting if isinstance(error, PluginError)}
        if unreadable:
            reasons = dict.fromkeys(error.message for error in unreadable.values())
            hints = dict.fromkeys(error.hint for error in unreadable.values())
            boundary.warn(
                f"{pluralize(len(unreadable), 'file')} cannot be read here, whose manifests stand in the place: "
                f"{join_some(list(unreadable), 5)}: {join_some(list(reasons), 3)}",
                hint="\n".join([*hints, "The rest is there. When the plug-ins are: git theta checkout"]),
            )

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


def require_encoding(repository: Repository, path: str) -> None:
    """Raise UsageError where attributes have Git take a file's manifest for a text in another encoding.

    It would record what is none: no push would see which objects the commit needs.
    """
    if may_be_recoded(path, repository):
        from git_theta.vcs.attribute_conversions import recoding_of

        if found := recoding_of(path, repository):
            raise UsageError(
                f"{found.attribute} ({found.file or 'attributes of your own'}) has Git recode its manifest",
                hint=f"Append to that file, for this path: PATTERN !{ENCODING}",
            )


def require_whole_file(repository: Repository, path: str, text: bytes) -> None:
    """Raise UsageError where what is about to be recorded has zeros that `git theta checkout --partial` wrote."""
    notes = partial_dir(repository)
    if notes.is_dir() and is_manifest(text):
        from git_theta.operations.restoring.partial_file import require_whole

        require_whole(path, text, notes)


def warn_if_contested(repository: Repository, path: str, text: bytes) -> None:
    """Warn a person who stages a file in conflict of contested parameters that are left."""
    if _may_be_in_conflict(repository) and is_recording():
        from git_theta.operations.merging.conflict_list import describe_names
        from git_theta.repository.merging.open_conflicts import find_recorded_ours

        names = find_recorded_ours(repository, path, text)
        if names:
            plural = "s are" if len(names) > 1 else " is"
            some = join_some(describe_names(names))
            boundary.warn(
                f"{path}: {len(names):,} contested parameter{plural} recorded as ours: {some}",
                hint=f"If that is not meant: git checkout --merge -- {path}; then git theta resolve.",
            )


def _may_be_in_conflict(repository: Repository) -> bool:
    """Whether a merge left anything contested here: one look at a folder that most repositories lack."""
    with contextlib.suppress(OSError):
        return any(os.scandir(conflicts_dir(repository)))
    return False


if __name__ == "__main__":
    sys.exit(boundary.run(main))
