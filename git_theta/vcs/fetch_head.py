"""Where `git fetch` was last at, which may be a URL that no remote has: ``git pull URL BRANCH``.

``FETCH_HEAD`` has a line for each ref (builtin/fetch.c): its id, whether it is merged, and "branch 'x' of URL". Git
leaves out of that URL who logs in, and ``.git`` at its end.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from git_theta.vcs.git import git

_LINE = re.compile(rb"[0-9a-f]+\t(?:not-for-merge)?\t(?:(?:[a-z-]+ )*'[^\n]*' of )?(?P<url>[^\n]+)")
_LOGIN = re.compile(r"(?P<scheme>^[a-z][a-z0-9+.-]*://|^)[^/@]*@", re.IGNORECASE)


def find_fetched_urls(known: Iterable[str]) -> list[str]:
    """The URLs of the last fetch, but for those that are ``known``, and this repository itself."""
    seen = {".", *map(_shorten_url, known)}
    return [url for url in _list_urls() if _shorten_url(url) not in seen]


def _list_urls() -> list[str]:
    name = git("rev-parse", "--path-format=absolute", "--git-path", "FETCH_HEAD")
    content = b""
    with suppress(OSError):  # nothing was fetched yet
        content = Path(os.fsdecode(name).removesuffix("\n")).read_bytes()
    lines = filter(None, map(_LINE.fullmatch, content.split(b"\n")))
    return list(dict.fromkeys(os.fsdecode(line["url"]) for line in lines))


def _shorten_url(url: str) -> str:
    """A URL as FETCH_HEAD has it."""
    return _LOGIN.sub(r"\g<scheme>", url).rstrip("/").removesuffix(".git")
