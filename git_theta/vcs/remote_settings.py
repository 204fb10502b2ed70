"""How Git reaches a remote, as settings for another repository in which it is to reach it just so.

Credentials, ssh, proxies, headers, certificates must be as in the person's repository. The files of the system and the
user are read everywhere. What Git reads in the person's repository alone (its own file, its worktree's, ``git -c``,
what they include on a condition) is handed over in the environment, in its order, so that nothing counts twice: a
second ``http.extraHeader`` would be sent twice. Only what describes the repository itself stays behind. The URL is the
one that Git settled on: it is no further subject to ``insteadOf``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git
from git_theta.vcs.remembered_settings import list_settings

REMOTE = "git-theta"
"""What the remote is called there."""
_STAYS = re.compile(r"(core|extensions|include|includeif|url|remote|branch|fetch|receive|gc|maintenance|alias)\.")
_GOES_ALONG = frozenset(("core.sshcommand", "core.gitproxy", "core.askpass"))
_PLACES = frozenset(("url", "pushurl", "fetch", "push", "mirror", "promisor", "partialclonefilter", "tagopt"))
"""Keys of a remote that say what it is in the person's repository, not how it is reached."""


class RemoteAccess(NamedTuple):
    """How Git gets to a remote.

    Attributes:
        name: what the person's repository calls it; its URL where it has no name.
        url: where it is, as Git would take it at last.
        top: the folder that relative paths start at: the top of the worktree, or the bare repository.
        algorithm: the hash of the repository, which is that of the remote: ``sha1`` or ``sha256``.
        ask: whether the person may be asked for passwords.
    """

    name: str
    url: str
    top: Path
    algorithm: str
    ask: bool = True


def read_remote_access(name: str, url: str, repository: Repository, *, ask: bool = True) -> RemoteAccess:
    """How Git gets to a remote from the person's repository. Raises GitError."""
    top = repository.home
    algorithm = git("rev-parse", "--show-object-format", cwd=top).decode().strip()
    return RemoteAccess(name, url, top, algorithm, ask)


def find_remote_settings(access: RemoteAccess, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The settings, key and value, that another repository lacks to reach a remote as the person's does.

    Args:
        access: how the person's does.
        env: the environment in which git works in the other one, which is there.
    """
    remote, url = access.name, access.url
    theirs, there = list_settings(access.top), set(list_settings(access.top, env))
    for one in theirs:
        key, value = one.key, one.value
        if one not in there and (not _STAYS.match(key) or key in _GOES_ALONG):
            yield key, value
        elif key.startswith(f"remote.{remote}."):
            what = key[len(f"remote.{remote}.") :]
            if what not in _PLACES:
                yield f"remote.{REMOTE}.{what}", value
    yield f"remote.{REMOTE}.url", url
    for key in ("insteadOf", "pushInsteadOf"):  # the longest match wins, which is the whole of it
        yield f"url.{url}.{key}", url


def export_settings(settings: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The variables by which Git is told of settings that stand in no file."""
    found = list(settings)
    variables = {"GIT_CONFIG_COUNT": str(len(found))}
    for number, (key, value) in enumerate(found):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables
