"""Smudge, for the files that one Git command has the filter look at; large ones are written when Git has hung up."""

from __future__ import annotations

import os
from collections.abc import Iterator

from git_theta.cli import boundary
from git_theta.cli.progress import Meter
from git_theta.errors import MissingObject, PluginError
from git_theta.operations.context import Context
from git_theta.operations.restoring.deferred import DEFERRED_SIZE, DeferredFiles
from git_theta.operations.restoring.materialise import require_room
from git_theta.operations.restoring.smudge import SmudgeResult, copy_stream, smudge_stream
from git_theta.operations.streams import Stream
from git_theta.repository.setup.hook_placing import place_hooks
from git_theta.repository.sharing.checkout_objects import CheckoutFetch
from git_theta.vcs.callers.parent_checkout import checks_out_tree, fills_clone, may_defer, takes_file_away
from git_theta.vcs.callers.unused_smudge import is_smudge_unused
from git_theta.vcs.discovery import Repository
from git_theta.vcs.filter_protocol import NAMELESS, ReadInto
from git_theta.vcs.index import WorktreeIndex
from git_theta.vcs.pktline import Buffer
from git_theta.words import join_some, pluralize


class FileSmudger:
    """Smudges one file after the other."""

    def __init__(self, repository: Repository, context: Context, meter: Meter) -> None:
        self._repository = repository
        self._remotes = CheckoutFetch(context)
        self._context = context._replace(fetch=self._remotes.fetch)
        self._waiting: list[tuple[str, MissingObject | PluginError]] = []
        self._meter = meter
        self._deferred: DeferredFiles | None = None
        self._smudged = False
        self._failing = False
        self._must_answer = takes_file_away()
        self._is_clone = fills_clone()

    def smudge_file(self, readinto: ReadInto, path: str, tree: str) -> Iterator[Buffer]:
        """What Git shall write for a file of ``tree``; "" where it is of none, or Git does not say of which."""
        if path and is_smudge_unused(path):
            yield from copy_stream(Stream(readinto), self._context)
            return
        self._remotes.tree = tree if checks_out_tree() else ""
        self._begin_smudging()
        self._failing = True
        name = path or NAMELESS
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
        place_hooks(self._repository)
        if self._repository.worktree and may_defer(self._repository.hooks_dir):
            # With an index of the user's own, the repository's is not told of the file. It may hold an entry of this
            # very second, and would take a file whose time was set back for the one it knows: Git compares seconds.
            own = "GIT_INDEX_FILE" not in os.environ
            self._deferred = DeferredFiles(
                self._repository.worktree, self._context, boundary.report_error, backdate=own
            )
