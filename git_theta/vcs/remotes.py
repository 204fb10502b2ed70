"""Where this repository's remotes are."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from git_theta.errors import GitError
from git_theta.vcs.git import elsewhere, git, nul_separated
from git_theta.vcs.repository import Repository


def urls() -> dict[str, str]:
    """Name to fetch URL of every remote, in the order of the configuration; url.*.insteadOf is applied."""
    try:
        found = nul_separated(git("config", "-z", "--get-regexp", r"^remote\..*\.url$"))
    except GitError:  # none at all
        return {}
    names = dict.fromkeys(item.partition("\n")[0][len("remote.") : -len(".url")] for item in found)
    return {name: os.fsdecode(git("remote", "get-url", name)).rstrip("\n") for name in names}


def directory(url: str) -> Repository | None:
    """The repository that a path or ``file://`` URL names; None when it names no directory on this machine."""
    parts = urlsplit(url)
    path = Path(unquote(parts.path) if parts.scheme == "file" else url)
    if not path.is_dir():
        return None
    try:
        return discover_at(path)
    except GitError:
        return None


def discover_at(path: Path) -> Repository:
    """The repository whose worktree or Git directory is exactly ``path``."""
    answer = git("rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir", cwd=path, env=elsewhere())
    git_dir, common = os.fsdecode(answer).splitlines()
    return Repository(Path(git_dir), Path(common), Path(git_dir) / "hooks", None)
