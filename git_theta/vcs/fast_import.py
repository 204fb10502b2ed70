"""``git fast-import``, told commit by commit what history to make. Nothing points at it until somebody says so."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from git_theta.errors import GitError
from git_theta.vcs.fast_export import ExportedCommit, format_commit
from git_theta.vcs.git import AS_STORED, NAMED_REPOSITORY, git, open_scratch, spell_settings

_SETTINGS = {"core.bigFileThreshold": "16m", **NAMED_REPOSITORY}
"""Blobs above the threshold are written as they come: else Git holds each of up to 512 MB whole, to look for deltas."""
_BUFFER = 1 << 20
_ORIGINAL = re.compile(r"^[ *] original-oid ([0-9a-f]+)$", re.MULTILINE)


class HistoryImport(AbstractContextManager["HistoryImport"]):
    """A history that is being made, from commits and blobs.

    Args:
        branch: a ref for its last commit, until it is finished.
        git_dir: of the repository.
        marks: a file for what Git calls the commits; it is made, and is the caller's to remove.
    """

    def __init__(self, branch: str, git_dir: Path, marks: Path) -> None:
        self._branch = branch.encode()
        self._git_dir = git_dir
        self._marks = marks
        self._count = 0
        self._words = open_scratch(in_memory=True)
        self._process = subprocess.Popen(
            [
                "git", AS_STORED, *spell_settings(_SETTINGS), "fast-import", "--quiet", "--force",
                "--done", "--date-format=raw-permissive", f"--export-marks={marks}",
            ],
            cwd=git_dir, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._words, bufsize=_BUFFER,
        )  # fmt: skip

    def __exit__(self, *_: object) -> None:
        """End it; what was not finished is as if it had never been."""
        self._process.kill()
        self._close()
        (self._git_dir / f"fast_import_crash_{self._process.pid}").unlink(missing_ok=True)
        self._words.close()

    def new_mark(self) -> bytes:
        """A name for the next commit."""
        self._count += 1
        return b":%d" % self._count

    def add_blob(self, size: int, pieces: Iterable[bytes | bytearray | memoryview]) -> bytes:
        """Make a blob of ``size`` bytes; returns its mark. Raises GitError."""
        mark = self.new_mark()
        self._write(b"blob\nmark %b\ndata %d\n" % (mark, size))
        for piece in pieces:
            self._write(piece)
        self._write(b"\n")
        return mark

    def add_commit(self, commit: ExportedCommit) -> None:
        """Make a commit; its mark is one of :meth:`new_mark`. Raises GitError."""
        self._write(format_commit(commit, self._branch))

    def finish(self) -> dict[bytes, str]:
        """Have Git write everything; the ids of commits and blobs by their marks. Raises GitError."""
        self._write(b"done\n")
        self._close()
        if self._process.returncode:
            raise self._failure()
        git("update-ref", "-d", self._branch.decode())  # what is new is safe from any gc for two weeks
        words = (line.split() for line in self._marks.read_bytes().splitlines())
        return {mark: oid.decode() for mark, oid in words}

    def _write(self, data: bytes | bytearray | memoryview) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(data)
        except BrokenPipeError:
            self._close()
            raise self._failure() from None

    def _close(self) -> None:
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # it has died, and says why on stderr
            self._process.stdin.close()
        self._process.wait()

    def _failure(self) -> GitError:
        self._words.seek(0)
        words = self._words.read().decode(errors="replace").strip().splitlines()
        said = next((line.removeprefix("fatal: ") for line in words if line.startswith("fatal: ")), "it ended early")
        commit = self._find_last_commit()
        where = f" at commit {commit}" if commit else ""
        look = f"To look at it: git cat-file -p {commit}" if commit else "git fsck names commits that are odd."
        return GitError(f"git fast-import failed{where}: {said}", hint=f"No branch or tag was moved. {look}")

    def _find_last_commit(self) -> str:
        """The id of the old commit that Git was at, from its own report of what it was last told; "" for none."""
        with contextlib.suppress(OSError):
            report = (self._git_dir / f"fast_import_crash_{self._process.pid}").read_text(errors="replace")
            told = report.partition("Most Recent Commands Before Crash")[2].partition("\n\n")[0]
            found: list[str] = _ORIGINAL.findall(told)
            return found[-1] if found else ""
        return ""
