"""Large files that are written after Git is done.

Git holds a smudged file in memory whole. So it is answered with the manifest, which it writes and records; when it has
hung up, the real files take the manifests' places, and the index is told. A process that dies in between leaves a
worktree that holds manifests, which Git calls clean and `git theta checkout` repairs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from git_theta.errors import ThetaError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import decode_manifest
from git_theta.operations.context import Context
from git_theta.operations.restoring.materialise import materialise_file, require_room

DEFERRED_SIZE = 8 << 20
"""Bytes of a file from which it is worth deferring."""

Refresh = Callable[[Mapping[str, bytes], Path], None]
"""(path -> manifest text, answers): have Git look at those paths where its index has just that text, answering its
clean from the JSON file ``answers``. Not at others: `git restore` and `git stash pop` leave the index as it was."""
Distrust = Callable[[Iterable[str]], None]
"""Have Git forget what it believes about how the files at these paths look."""


class DeferredFiles:
    """Files to write later: path to manifest text, the last answer for a path counts.

    ``rested``: set their times back, so that the index need not distrust them (see ``materialise``).
    """

    def __init__(
        self, worktree: Path, context: Context, report: Callable[[ThetaError], object], *, backdate: bool = True
    ) -> None:
        self._backdate = backdate
        self._worktree = worktree
        self._context = context
        self._report = report
        self._texts: dict[str, bytes] = {}
        self._sizes: dict[str, int] = {}

    def add(self, path: str, manifest: Manifest, text: bytes) -> None:
        """Remember a file. Raises StoreError when it, with the others, would not fit on the file system."""
        require_room(self.size + manifest.size, self._worktree)
        self._sizes[path], self._texts[path] = manifest.size, text

    @property
    def size(self) -> int:
        """Bytes there are to write."""
        return sum(self._sizes.values())

    def forget(self, path: str) -> None:
        """The path got another content."""
        self._sizes.pop(path, None)
        self._texts.pop(path, None)

    def write(self, refresh: Refresh, distrust: Distrust) -> list[str]:
        """Write what is remembered; the paths that were written. What fails is reported, and the rest goes on."""
        if not self._texts:
            return []
        # Whatever becomes of us between a rename and the refresh: Git then compares contents, and finds them right.
        self._attempt(lambda: distrust(self._texts))
        written = self._write_files()
        if written:
            self._attempt(lambda: self._refresh_index({path: self._texts[path] for path in written}, refresh))
            if touched := [path for path, before in written.items() if self._has_changed(path, before)]:
                distrust(touched)
        return list(written)

    def _write_files(self) -> dict[str, os.stat_result]:
        left = set(self._texts)
        written = {}
        try:
            for path, text in self._texts.items():
                try:
                    if described := materialise_file(
                        decode_manifest(text), text, self._worktree / path, self._context, backdate=self._backdate
                    ):
                        written[path] = described
                    left.remove(path)
                except ThetaError as error:
                    self._report(error.add_location(path=path))
        finally:  # also when the person has had enough
            if left:
                some = ", ".join(sorted(left)[:3]) + (" ..." if len(left) > 3 else "")
                self._context.warn(f"still manifests: {some}. To get the files: git theta checkout")
        return written

    def _attempt(self, tell_git: Callable[[], None]) -> None:
        """Where Git's index cannot be written, the files are right nevertheless."""
        try:
            tell_git()
        except (ThetaError, OSError) as error:
            self._report(
                ThetaError(
                    f"the index is not up to date with files that were checked out: {error}",
                    hint="`git status` looks at them again; `git add` settles what it calls modified.",
                )
            )

    def _has_changed(self, path: str, before: os.stat_result) -> bool:
        """Whether somebody wrote the file between us and Git's look at it: Git must not take that for ours."""
        with suppress(OSError):
            now = (self._worktree / path).lstat()
            return (now.st_ino, now.st_size, now.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns)
        return False

    def _refresh_index(self, written: Mapping[str, bytes], refresh: Refresh) -> None:
        """Tell Git, without hashing again what was hashed while it was written."""
        answers = self._context.scratch / f"written-{os.urandom(6).hex()}"
        try:
            try:
                answers.write_text(json.dumps({path: text.decode() for path, text in written.items()}))
            except OSError:  # a store that cannot be written: Git, which distrusts these files, finds out for itself
                return
            refresh(written, answers)
        finally:
            with suppress(OSError):
                answers.unlink()
