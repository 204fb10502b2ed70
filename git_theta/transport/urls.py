"""What Git takes a remote's URL for (connect.c): its letters decide, and nothing that lies in the worktree."""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import unquote, urlsplit

_SCHEME = re.compile(r"([A-Za-z0-9+.-]+)://")
_HELPER = re.compile(r"[A-Za-z0-9]+::")
"""What names a program of its own, a remote helper (transport.c)."""


def local_path(url: str) -> str | None:
    """The path that a URL names: a plain one, or ``file://``. None where it names none on this machine.

    What has a colon before its first slash is ssh (``host:path``), or for a remote helper (``ext::sh``). It may be
    relative, and may begin with ``~``; whether anything is there is another question.
    """
    scheme = _SCHEME.match(url)
    if scheme:
        _, slash, path = url[scheme.end() :].partition("/")  # Git passes over the host
        if scheme[1] != "file" or not slash:
            return None
        return unquote(f"/{path}".replace("%00", "%2500"), errors="surrogateescape")  # a path has no such byte
    colon, slash_at = url.find(":"), url.find("/")
    return url if url and (colon < 0 or 0 <= slash_at < colon) else None


def url_scheme(url: str) -> str:
    """The scheme of a URL in lower case; ``ssh`` for ``host:path``, "" for a path and for a remote helper."""
    scheme = _SCHEME.match(url)
    if scheme:
        return scheme[1].lower()
    return "" if _HELPER.match(url) or local_path(url) is not None else "ssh"


def name_host(url: str) -> str:
    """What a person knows the host of a URL by: its name, or the URL where that names none, without what is secret."""
    with suppress(ValueError):  # what urllib takes for no URL may be one to Git
        if host := urlsplit(url).hostname:
            return host
    return redact_url(url)


def redact_url(url: str) -> str:
    """A URL as it can be shown to others: without user, password, query and fragment."""
    scheme, separator, rest = url.partition("://")
    if not separator:  # a path, or HOST:PATH as ssh takes it
        return url if local_path(url) is not None else url.rpartition("@")[2]
    host, slash, path = rest.partition("/")
    # A user with a password may hold any character but the slash.
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0].partition('#')[0]}"
