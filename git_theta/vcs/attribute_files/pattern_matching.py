"""Which paths attribute patterns match: asked of Git itself, of paths that no worktree and no index need have."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from git_theta.vcs.attribute_files.attribute_lines import append_lines
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import end_git, git
from git_theta.vcs.scratch_git_dir import make_git_dir, scratch_environment

_CHOSEN = "theta-chosen"
_CHECK = ("-c", f"core.attributesFile={os.devnull}", "check-attr", "-z", "--stdin")


class PatternMatcher(AbstractContextManager["PatternMatcher"]):
    """Whether a path matches one of ``include``, and none of ``exclude``; the patterns are those of the top."""

    def __init__(self, include: Iterable[bytes], exclude: Iterable[bytes], repository: Repository) -> None:
        lines = append_lines(append_lines(b"", include, [_CHOSEN.encode()]), exclude, [b"-" + _CHOSEN.encode()])
        self._folder = tempfile.TemporaryDirectory()
        self._answers: dict[bytes, bool] = {}
        self._process = subprocess.Popen(
            ["git", *_CHECK, _CHOSEN],
            env=_write_lines(Path(self._folder.name), lines, repository),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __exit__(self, *_: object) -> None:
        end_git(self._process)
        self._folder.cleanup()

    def matches(self, path: bytes) -> bool:
        """Whether a path, from the top, is one of those."""
        if path not in self._answers:
            self._answers[path] = self._ask(path)
        return self._answers[path]

    def _ask(self, path: bytes) -> bool:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(path + b"\0")
        self._process.stdin.flush()
        answer = b""
        while answer.count(b"\0") < 3:
            piece = os.read(self._process.stdout.fileno(), 1 << 16)
            if not piece:
                raise subprocess.CalledProcessError(self._process.wait(), "git check-attr")
            answer += piece
        return answer.split(b"\0")[2] == b"set"


def match_patterns(patterns: Sequence[bytes], paths: Iterable[bytes], repository: Repository) -> list[set[bytes]]:
    """The paths that each of these patterns of the top matches by itself."""
    found: dict[bytes, set[bytes]] = defaultdict(set)
    lines = b"".join(append_lines(b"", [pattern], [b"p%d" % number]) for number, pattern in enumerate(patterns))
    with tempfile.TemporaryDirectory() as folder:
        env = _write_lines(Path(folder), lines, repository)
        answer = git(*_CHECK, "--all", env=env, stdin=b"".join(path + b"\0" for path in paths)).split(b"\0")
    for path, name in zip(answer[0:-1:3], answer[1::3], strict=True):
        found[name].add(path)
    return [found[b"p%d" % number] for number in range(len(patterns))]


def _write_lines(folder: Path, lines: bytes, repository: Repository) -> dict[str, str]:
    """The environment in which Git has these attributes alone."""
    make_git_dir(folder / "git", repository, ())
    (folder / "git/info").mkdir()
    (folder / "git/info/attributes").write_bytes(lines)
    return {**scratch_environment(folder / "git", ask=False), "GIT_ATTR_NOSYSTEM": "1"}
