"""Where this repository's remotes are."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from git_theta.errors import GitError, UsageError
from git_theta.vcs.discovery import Repository
from git_theta.vcs.fetch_head import find_fetched_urls
from git_theta.vcs.git import git, scrubbed_environment, split_nul
from git_theta.vcs.remembered_settings import find_setting, match_settings, parse_setting

_SUFFIXES = ("/.git", "", ".git/.git", ".git")
"""What may be left out of a path to a repository, in the order in which Git tries them (enter_repo)."""
_ORIGIN = "origin"
TRANSPORT_KEYS = r"^(lfs\.(push)?url|remote\..*\.lfs(push)?url|theta\.remote\..*\.[a-z0-9-]+)$"


def remote_urls() -> dict[str, str]:
    """Name to fetch URL of every remote, in the order of the configuration; url.*.insteadOf is applied."""
    return {name: os.fsdecode(git("remote", "get-url", name)).rstrip("\n") for name in list_remotes()}


def list_remotes() -> list[str]:
    """The names of all remotes that have a URL, in the order of the configuration."""
    try:
        found = match_settings(r"^remote\..*\.url$")
    except GitError:  # no configuration that can be read
        return []
    return list(dict.fromkeys(key[len("remote.") : -len(".url")] for key, _ in found))


class FetchSource(NamedTuple):
    """A remote that objects may come from.

    Attributes:
        name: as Git's configuration calls it; its URL where it has none.
        url: where Git fetches from it.
        is_own: whether it is the one that the branch belongs to, or that a person named. Others, which are asked when
            that does not help, are strangers: nobody is asked for a password of theirs.
    """

    name: str
    url: str
    is_own: bool


def fetch_sources(named: str = "") -> list[FetchSource]:
    """The remotes in the order in which they are asked: that of the branch we are on, then the others.

    Last comes a URL that Git was told to fetch from, and no remote has (``git pull URL BRANCH``). A branch may be told
    to pull from a URL that has no name; it is its own name then. ``named``: the remote, or URL,
    that a person named, which alone is asked then.
    """
    urls = remote_urls()
    own = named or _branch_config("remote") or _usual_remote(urls)
    if not named:
        urls |= {url: url for url in find_fetched_urls(urls.values())}
    if own in ("", "."):  # none, or another branch of this repository
        return [FetchSource(name, url, is_own=False) for name, url in urls.items()]
    own_url = urls.get(own) or _rewrite_url(own)
    if own not in urls:
        own = next((name for name, url in urls.items() if url == own_url), own)
    first = {own: own_url}
    return [FetchSource(name, url, is_own=name == own) for name, url in (first if named else first | urls).items()]


def find_push_remote() -> str:
    """The remote, or URL, that `git push` pushes to where it is not told: by Git's rules (remote.c)."""
    told = _branch_config("pushremote") or find_setting("remote.pushdefault") or _branch_config("remote")
    return told or _usual_remote(list_remotes()) or _ORIGIN


def find_pushed_name(named: str, url: str) -> str:
    """What the configuration calls the remote that a push was told to go to, by its name or by a URL of it.

    What is configured for that remote counts either way. Where none is at that URL, it is a name itself.

    Args:
        named: as Git calls it.
        url: where that is pushed to; url.*.pushInsteadOf is applied.
    """
    names = list_remotes()
    return named if named in names else next((name for name in names if url in _list_push_urls(name)), named)


def push_urls(name: str) -> list[str]:
    """The URLs to which `git push` pushes for a remote, or for a URL itself; url.*.pushInsteadOf is applied.

    Raises GitError.
    """
    if name not in list_remotes():
        return [_rewrite_push_url(name)]
    return _list_push_urls(name)


def require_push_urls(name: str) -> list[str]:
    """As ``push_urls``. Raises UsageError where no remote is called so."""
    if name not in (names := list_remotes()):
        refuse_unknown(name, names)
    return push_urls(name)


def refuse_unknown(name: str, known: Iterable[str], advice: str = "") -> NoReturn:
    """Raise UsageError for a remote that is none of those that there are, with advice beside."""
    there = f"There are: {', '.join(known) or 'none'}. {advice}"
    raise UsageError(f"no remote is called {name!r}", hint=there.rstrip())


def read_transport_settings() -> dict[str, str]:
    """What the person configured about where objects go: full key to value, the last one of each.

    These are git-lfs's ``lfs.url``, ``lfs.pushurl``, ``remote.NAME.lfsurl`` and ``remote.NAME.lfspushurl``, and all of
    our ``theta.remote.NAME.KEY``, which a transport of a plug-in may have for itself. A ``.lfsconfig`` in a repository
    is not read (L10).
    """
    try:
        return dict(match_settings(TRANSPORT_KEYS))
    except GitError:  # no configuration that can be read
        return {}


def read_lfsconfig(repository: Repository) -> dict[str, str]:
    """What a repository itself says about where objects go: its ``.lfsconfig``, as :func:`read_transport_settings`.

    git-lfs takes the file in the worktree, or else the index's, or else that of HEAD.
    """
    top = repository.home
    if repository.worktree and (repository.worktree / ".lfsconfig").is_file():
        sources = [["--file", ".lfsconfig"]]
    else:
        sources = [["--blob", blob] for blob in _find_blobs([":.lfsconfig", "HEAD:.lfsconfig"], top)]
    for source in sources:
        with contextlib.suppress(GitError):  # it says nothing about it
            listing = git("config", "-z", *source, "--get-regexp", TRANSPORT_KEYS, cwd=top)
            return dict(map(parse_setting, split_nul(listing)))
    return {}


def _find_blobs(names: Sequence[str], cwd: Path) -> list[str]:
    """The ids of the blobs that there are by these names."""
    asked = "".join(f"{name}\n" for name in names).encode()
    answers = git("cat-file", "--batch-check=%(objecttype) %(objectname)", cwd=cwd, stdin=asked).decode()
    return [words[1] for words in map(str.split, answers.splitlines()) if words[0] == "blob"]


def _list_push_urls(name: str) -> list[str]:
    return os.fsdecode(git("remote", "get-url", "--push", "--all", name)).splitlines()


def _rewrite_push_url(url: str) -> str:
    """A URL without a name, after url.*.pushInsteadOf, of which the longest that fits counts, or url.*.insteadOf."""
    try:
        found = match_settings(r"^url\..*\.pushinsteadof$")
    except GitError:  # no configuration that can be read
        found = []
    pairs = [(value, key[len("url.") : -len(".pushinsteadof")]) for key, value in found]
    fitting = [pair for pair in pairs if url.startswith(pair[0])]
    if not fitting:
        return _rewrite_url(url)
    prefix, base = max(fitting, key=lambda pair: len(pair[0]))
    return base + url.removeprefix(prefix)


def find_directory_repository(path: str, top: Path) -> Repository | None:
    """The repository that Git finds at a path, or None.

    A relative path starts at ``top``: that of the worktree, or the bare repository.
    """
    base = os.path.join(top, os.path.expanduser(path) if path.startswith("~") else path)  # noqa: PTH111, PTH118
    stem = base.rstrip("/") or "/"  # without which the folder that we are in would be looked at
    for suffix in _SUFFIXES:
        place = Path(stem + suffix)
        if place.is_file() or (place / "HEAD").is_file():
            try:
                return _repository_of(place)
            except GitError:  # no repository, or one that Git does not trust
                continue
    return None


def _branch_config(key: str) -> str:
    """What is configured for the branch that we are on, or ""."""
    try:
        branch = os.fsdecode(git("symbolic-ref", "--quiet", "--short", "HEAD")).rstrip("\n")
    except GitError:  # detached
        return ""
    return find_setting(f"branch.{branch}.{key}")


def _usual_remote(names: Collection[str]) -> str:
    """The remote of a branch that has none of its own: Git's ``origin``, or the only one that there is."""
    return _ORIGIN if _ORIGIN in names else next(iter(names)) if len(names) == 1 else ""


def _rewrite_url(url: str) -> str:
    """A URL without a name, after url.*.insteadOf."""
    try:
        return os.fsdecode(git("ls-remote", "--get-url", "--", url)).rstrip("\n")
    except GitError:  # no URL that Git can read: whoever opens it says so
        return url


def _repository_of(git_dir: Path) -> Repository:
    """The repository whose Git directory, or the file that names it, is exactly this."""
    answer = git(
        f"--git-dir={git_dir}", "rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir",
        env=scrubbed_environment(),
    )  # fmt: skip
    found, common = os.fsdecode(answer).splitlines()
    return Repository(Path(found), Path(common), Path(found) / "hooks", None)
