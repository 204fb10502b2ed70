"""Which transport a remote gets: decided from its URL and the person's configuration, by their letters alone.

Nothing that lies in the worktree, and nothing that a host answers, changes it: weights never go elsewhere because a
network failed, or because a repository holds a folder of a remote's name (L10).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from git_theta.errors import TransportError
from git_theta.transport.urls import local_path, url_scheme

TransportName = Literal["directory", "lfs", "git", "bucket", "plugin"]

BUCKET_SCHEMES = frozenset(("s3", "gs", "az"))
_LFS_SCHEMES = frozenset(("http", "https", "ssh", "git+ssh", "ssh+git"))
_NAMED = ("lfs", "git")
"""What ``theta.remote.NAME.transport`` may say."""


class TransportChoice(NamedTuple):
    """The transport of a remote.

    Attributes:
        name: which one.
        address: where that finds the remote: a path or file:// (directory), a Git LFS endpoint or a remote's own URL,
            from which the endpoint follows (lfs), a URL for Git (git), a bucket and prefix (bucket), a URL whose scheme
            is what a plug-in is registered as (plugin).
        reason: what decided: the key of the configuration, or "its URL".
    """

    name: TransportName
    address: str
    reason: str = "its URL"


def choose_transport(name: str, url: str, settings: Mapping[str, str], *, push: bool) -> TransportChoice:
    """The transport of a remote. Raises TransportError where there is none, with what to do about it.

    Args:
        name: the remote's, as Git's configuration calls it; its URL where it has none.
        url: where Git fetches from it, or pushes to it; insteadOf is applied.
        settings: what ``vcs.remotes.read_transport_settings`` found.
        push: whether objects are to be pushed: git-lfs has keys of their own for that.
    """
    ours = f"theta.remote.{name}."
    if placed := settings.get(f"{ours}url"):
        return _place_by_setting(placed, f"{ours}url")
    if named := settings.get(f"{ours}transport"):
        if named not in _NAMED:
            raise TransportError(f"{ours}transport is {named!r}", hint=f"It may be: {', '.join(_NAMED)}.")
        endpoint = _named_endpoint(name, settings, push=push) if named == "lfs" else None
        return endpoint or TransportChoice("git" if named == "git" else "lfs", url, f"{ours}transport")
    return _named_endpoint(name, settings, push=push) or _place_by_url(url)


def _named_endpoint(name: str, settings: Mapping[str, str], *, push: bool) -> TransportChoice | None:
    """The server that a key of git-lfs names."""
    return next(
        (TransportChoice("lfs", settings[key], key) for key in lfs_keys(name, push=push) if settings.get(key)), None
    )


def name_remote(hint: str, name: str) -> str:
    """A hint of ours for one remote: its keys of the configuration have its name, where it has one."""
    return hint if "/" in name or ":" in name else hint.replace("theta.remote.NAME.", f"theta.remote.{name}.")


def lfs_keys(name: str, *, push: bool) -> tuple[str, ...]:
    """Where git-lfs looks for an endpoint, first to last."""
    every, own = ("lfs.url", f"remote.{name}.lfsurl")
    return ("lfs.pushurl", every, f"remote.{name}.lfspushurl", own) if push else (every, own)


def _place_by_setting(url: str, key: str) -> TransportChoice:
    """What the person's own URL chooses: plug-ins, too, which the URL of a remote, written by others, never does."""
    scheme = url_scheme(url)
    if local_path(url) is None and scheme not in ("", "git", *BUCKET_SCHEMES, *_LFS_SCHEMES):
        return TransportChoice("plugin", url, key)
    return _place_by_url(url, key)


def _place_by_url(url: str, reason: str = "its URL") -> TransportChoice:
    if local_path(url) is not None:
        return TransportChoice("directory", url, reason)
    scheme = url_scheme(url)
    if scheme in BUCKET_SCHEMES:
        return TransportChoice("bucket", url, reason)
    if scheme in _LFS_SCHEMES:
        return TransportChoice("lfs", url, reason)
    if scheme == "git":
        return TransportChoice("git", url, reason)
    raise TransportError(
        f"objects do not go through {scheme or 'such a URL'}",
        hint="Say where they shall go, for example: git config theta.remote.NAME.url s3://BUCKET/PREFIX",
    )
