"""Large files that are written after Git is done.

Git holds a smudged file in memory whole. So it is answered with the manifest, which it writes and records; when it has
hung up, the real files take the manifests' places, and the index is told. A process that dies in between leaves a
worktree that holds manifests, which Git calls clean and `git theta checkout` repairs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Protocol

from git_theta.errors import ThetaError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import decode_manifest
from git_theta.operations.context import Context
from git_theta.operations.restoring.materialise import WrittenFile, materialise_file, require_room

DEFERRED_SIZE = 8 << 20
"""Bytes of a file from which it is worth deferring."""
_BACKDATE_NS = 3 * 10**9
"""By how much files are older than the moment in which the index was told to distrust them. Git compares seconds, and
looks into files as new as its index."""


_TOLD_TOGETHER = 256 << 20
"""Bytes of files between two times that Git is told: to tell it takes two processes, as long as 10 MB take to write."""


class Index(Protocol):
    """Git's index, which is told of what was written in its absence."""

    def invalidate_entries(self, paths: Iterable[str]) -> None:
        """Keep these entries, and forget how their files look: Git then compares contents."""
        ...

    def record_written(self, written: Mapping[str, WrittenFile]) -> None:
        """Take these files (by path) for what the index holds, without reading them, where that is just this text.

        Not elsewhere: `git restore` and `git stash pop` leave the index as it was. Who writes a file after us must not
        be taken for us.
        """
        ...


class DeferredFiles:
    """Files to write later: path to manifest text, the last answer for a path counts.

    ``backdate``: set their times back, so that the index need not distrust them.
    """

    def __init__(
        self, worktree: Path, context: Context, report: Callable[[ThetaError], object], *, backdate: bool = True
    ) -> None:
        self._backdate = backdate
        self._worktree = worktree
        self._context = context
        self._report = report
        self._texts: dict[str, bytes] = {}
        self._converted: dict[str, bytes] = {}
        self._sizes: dict[str, int] = {}

    def add(self, path: str, manifest: Manifest, text: bytes, content: bytes | None = None) -> None:
        """Remember a file. ``content``: what stands in its place, where that is not the text."""
        self._sizes[path], self._texts[path] = manifest.size, text
        if content is not None and content != text:
            self._converted[path] = content

    @property
    def count(self) -> int:
        """Files there are to write."""
        return len(self._texts)

    @property
    def size(self) -> int:
        """Bytes there are to write."""
        return sum(self._sizes.values())

    def forget(self, path: str) -> None:
        """The path got another content."""
        self._sizes.pop(path, None)
        self._texts.pop(path, None)
        self._converted.pop(path, None)

    def write(self, index: Index, begin_file: Callable[[], None]) -> list[str]:
        """Write what is remembered; the paths that were written. What fails is reported, and the rest goes on.

        ``begin_file`` is called before each file.

        Raises StoreError, with nothing touched, when there is no room for all of them together.
        """
        if not self._texts:
            return []
        left, written = set(self._texts), list[str]()
        started = time.time_ns()
        try:
            require_room(self.size, self._worktree)
            for paths in self._cut_batches():
                written += self._write_batch(paths, started, left, index, begin_file)
        finally:  # also when the person has had enough
            self._warn_waiting(left)
        return written

    def abandon(self) -> None:
        """Leave the manifests where they are, and say so."""
        self._warn_waiting(self._texts)

    def _warn_waiting(self, paths: Iterable[str]) -> None:
        if waiting := sorted(paths):
            some = ", ".join(waiting[:3]) + (" ..." if len(waiting) > 3 else "")
            self._context.warn(f"still manifests: {some}. To get the files: git theta checkout")

    def _cut_batches(self) -> Iterator[list[str]]:
        """The paths in order, in batches that Git is told of together: small files of some size, a large one alone."""
        batch: list[str] = []
        for path, size in self._sizes.items():
            if batch and sum(self._sizes[one] for one in batch) + size > _TOLD_TOGETHER:
                yield batch
                batch = []
            batch.append(path)
        if batch:
            yield batch

    def _write_batch(
        self, paths: Sequence[str], started: int, left: set[str], index: Index, begin_file: Callable[[], None]
    ) -> dict[str, WrittenFile]:
        """Write some files; those that were written. They are taken from those that are ``left``."""
        written: dict[str, WrittenFile] = {}
        # Whatever becomes of us between a rename and the record: Git then compares contents, and finds them right. It
        # gives up no merge of such files until it has, so that time is short.
        distrust = cache(partial(self._tell_git, partial(index.invalidate_entries, paths)))
        try:
            for path in paths:
                begin_file()
                self._write_file(path, started, left, written, distrust)
        finally:
            if written:
                self._tell_git(partial(index.record_written, written))
        return written

    def _write_file(
        self, path: str, started: int, left: set[str], written: dict[str, WrittenFile], distrust: Callable[[], None]
    ) -> None:
        text = self._texts[path]
        try:
            stat = materialise_file(
                decode_manifest(text),
                self._converted.get(path, text),
                self._worktree / path,
                self._context,
                modified_ns=started - _BACKDATE_NS if self._backdate else None,
                before_placing=distrust,
            )
        except ThetaError as error:
            self._report(error.add_location(path=path))
            return
        left.remove(path)
        if stat:
            written[path] = WrittenFile(text, stat)

    def _tell_git(self, tell: Callable[[], None]) -> None:
        """Where Git's index cannot be written, the files are right nevertheless."""
        try:
            tell()
        except (ThetaError, OSError) as error:
            self._report(
                ThetaError(
                    f"the index is not up to date with files that were checked out: {error}",
                    hint="`git status` looks at them again; `git add` settles what it calls modified.",
                )
            )
