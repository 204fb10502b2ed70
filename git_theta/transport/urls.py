"""What Git takes a remote's URL for (connect.c): its letters decide, and nothing that lies in the worktree."""

from __future__ import annotations

import re
from urllib.parse import unquote

_SCHEME = re.compile(r"([A-Za-z0-9+.-]+)://")
_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")


def local_path(url: str) -> str | None:
    """The path that a URL names: a plain one, or ``file://``. None where it names none on this machine.

    ``host:path`` is ssh, unless a slash comes before the colon; ``helper::address`` is a remote helper's. It may be
    relative, and may begin with ``~``; whether anything is there is another question.
    """
    scheme = _SCHEME.match(url)
    if scheme:
        rest = url[scheme.end() :]
        if scheme[1] != "file" or not rest:
            return None
        path = unquote(rest, errors="surrogateescape")
        return path if path.startswith("/") else f"//{path}"  # as Git reads file://server/share
    if _HELPER.match(url) or not url or "\0" in url:
        return None
    colon, slash = url.find(":"), url.find("/")
    return url if colon < 0 or 0 <= slash < colon else None


def redact_url(url: str) -> str:
    """A URL as it can be shown to others: without user, password, query and fragment."""
    scheme, separator, rest = url.partition("://")
    if not separator:  # a path, or HOST:PATH as ssh takes it
        return url if local_path(url) is not None else url.rpartition("@")[2]
    host, slash, path = rest.partition("/")
    # A user with a password may hold any character but the slash.
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0].partition('#')[0]}"
