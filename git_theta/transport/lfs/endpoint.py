"""Where a remote's Git LFS server is, by the rules of git-lfs itself: letters alone decide, nothing is asked."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from git_theta.errors import TransportError
from git_theta.transport.choose import TransportChoice, lfs_keys
from git_theta.transport.urls import redact_url, url_scheme
from git_theta.words import escape_unprintable, redact_logins

_SUFFIX = "/info/lfs"
_SSH_HOST = re.compile(r"(?:([^@]*)@)?(\[[^\]]+\]|[^:@]+)(?::(\d+))?\Z")
_BRACKETED = re.compile(r"([^@\[\]/]*@)?\[([^\]]*)\]:(.*)", re.DOTALL)
"""``[USER@HOST:PORT]:PATH``, and ``USER@[HOST:PORT]:PATH``."""


class SshPlace(NamedTuple):
    """A repository on a host that ssh reaches.

    Attributes:
        host: with the user, as ssh takes it.
        port: "" for ssh's own choice.
        path: as the host is told it.
    """

    host: str
    port: str
    path: str


class Endpoint(NamedTuple):
    """A Git LFS server, for one repository.

    Attributes:
        url: of its API, http or https. Over ssh, where it is if the host names no other.
        source: the URL that it was derived from, or is: what git-lfs is given, and credentials are filed under.
        derived: whether the source is the URL of a Git repository.
        ssh: whom to ask for the real URL and for leave; None where nobody need be.
    """

    url: str
    source: str
    derived: bool
    ssh: SshPlace | None = None


def endpoint_of(choice: TransportChoice) -> Endpoint:
    """The server that a choice means: an address that a key of git-lfs named is the server's own URL.

    Raises TransportError for a URL that git-lfs would not understand.
    """
    named = choice.reason.startswith("lfs.") or choice.reason.endswith((".lfsurl", ".lfspushurl"))
    return parse_endpoint(choice.address) if named else derive_endpoint(choice.address)


def follows_remote(choice: TransportChoice) -> bool:
    """Whether nobody has named the server: it follows from the remote's own URL."""
    return choice.reason == "its URL" or choice.reason.endswith(".transport")


def require_agreement(
    name: str, choice: TransportChoice, endpoint: Endpoint, lfsconfig: Mapping[str, str], *, push: bool
) -> None:
    """Raise TransportError where a repository's ``.lfsconfig`` names another server than the remote's URL (L10).

    Args:
        name: the remote's.
        choice: of the remote's transport; where the person named the server, the file does not count.
        endpoint: what follows from the choice.
        lfsconfig: the file's settings.
        push: whether objects are to be pushed.
    """
    key = next((key for key in lfs_keys(name, push=push) if lfsconfig.get(key)), "")
    if not key or not follows_remote(choice) or lfsconfig[key].rstrip("/") in (endpoint.url, endpoint.source):
        return
    # Of several lines, the file's own would look like ours.
    named, refuse = escape_unprintable(lfsconfig[key]), endpoint.source if endpoint.ssh else endpoint.url
    raise TransportError(
        f"the .lfsconfig of this repository has objects go elsewhere than to its host: to {redact_url(named)}",
        hint=f"If you trust it: git config {key} {shlex.quote(named)}\n"
        f"If not: git config {key} {shlex.quote(redact_logins(refuse))}",
    )


def derive_endpoint(url: str) -> Endpoint:
    """The server of the Git repository at a URL: ``https://HOST/x`` has it at ``https://HOST/x.git/info/lfs``."""
    plain = parse_endpoint(url)
    base = plain.url.rstrip("/")
    return plain._replace(url=f"{base}{'' if base.endswith('.git') else '.git'}{_SUFFIX}", derived=True)


def parse_endpoint(url: str) -> Endpoint:
    """The server at a URL that is its own. Raises TransportError for one that is neither http, https nor ssh."""
    scheme = url_scheme(url)
    if scheme in ("http", "https"):
        return Endpoint(require_http_url(url).rstrip("/"), url, derived=False)
    if scheme in ("ssh", "git+ssh", "ssh+git"):
        place = _parse_ssh(url)
        if place:
            host = place.host.rpartition("@")[2]
            path = place.path if "://" in url else f"/{place.path}"
            return Endpoint(f"https://{host}{path}".rstrip("/"), url, derived=False, ssh=place)
    raise _no_server(url)


def require_http_url(url: str) -> str:
    """The URL, as given. Raises TransportError where no server can be asked over HTTP there."""
    with contextlib.suppress(ValueError):  # half a bracket, or a port that is no number
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return url
    raise _no_server(url)


def _no_server(url: str) -> TransportError:
    return TransportError(
        f"{redact_url(url)} is no URL of a Git LFS server", hint="Such a URL begins with https://, http:// or ssh://."
    )


def _parse_ssh(url: str) -> SshPlace | None:
    """What ``ssh://[USER@]HOST[:PORT]/PATH``, ``HOST:PATH`` or ``[HOST:PORT]:PATH`` means; None for anything else."""
    _, separator, rest = url.partition("://")
    if separator:
        name, slash, path = rest.partition("/")
        path = unquote(f"{slash}{path}")
    else:
        bracketed = _BRACKETED.fullmatch(url)
        name, _, path = url.partition(":")
        if bracketed:
            name, path = f"{bracketed[1] or ''}{bracketed[2]}", bracketed[3]
    found = _SSH_HOST.match(name)
    if not found or not path or name.startswith("-"):  # which ssh would take for an option
        return None
    user = (found[1] or "").partition(":")[0]  # a password is none of ssh's
    return SshPlace(f"{user}@{found[2]}" if user else found[2], found[3] or "", path)
