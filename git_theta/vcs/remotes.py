"""Where this repository's remotes are."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from git_theta.errors import GitError
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, scrubbed_environment, split_nul


def remote_urls() -> dict[str, str]:
    """Name to fetch URL of every remote, in the order of the configuration; url.*.insteadOf is applied."""
    try:
        found = split_nul(git("config", "-z", "--get-regexp", r"^remote\..*\.url$"))
    except GitError:  # none at all
        return {}
    names = dict.fromkeys(item.partition("\n")[0][len("remote.") : -len(".url")] for item in found)
    return {name: os.fsdecode(git("remote", "get-url", name)).rstrip("\n") for name in names}


def local_repository(url: str, top: Path) -> Repository | None:
    """The repository that a path or ``file://`` URL names; None when it names no directory on this machine.

    A relative path starts at ``top``: that of the worktree, or the bare repository.
    """
    parts = urlsplit(url)
    path = top / (unquote(parts.path, errors="surrogateescape") if parts.scheme == "file" else url)
    if not path.is_dir():
        return None
    try:
        return repository_at(path)
    except GitError:
        return None


def is_local(url: str) -> bool:
    """Whether a URL is a path or ``file://``, told apart as Git does."""
    scheme, separator, _ = url.partition("://")
    return scheme == "file" if separator else ":" not in url.partition("/")[0]


def redact_url(url: str) -> str:
    """A URL as it can be shown to others: without user, password, query and fragment."""
    scheme, separator, rest = url.partition("://")
    if not separator:  # a path, or HOST:PATH as ssh takes it
        return url.rpartition("@")[2] if ":" in url.partition("/")[0] else url
    host, slash, path = rest.partition("/")
    # A user with a password may hold any character but the slash.
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0].partition('#')[0]}"


def repository_at(path: Path) -> Repository:
    """The repository whose worktree or Git directory is exactly ``path``."""
    answer = git(
        "rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir", cwd=path, env=scrubbed_environment()
    )
    git_dir, common = os.fsdecode(answer).splitlines()
    return Repository(Path(git_dir), Path(common), Path(git_dir) / "hooks", None)
