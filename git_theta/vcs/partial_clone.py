"""What a partial clone left out, fetched in one go: Git itself would ask its remote for one blob after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from git_theta.errors import GitError
from git_theta.vcs.git import current_folder, git
from git_theta.vcs.remembered_settings import is_true, match_settings

_PROMISOR = r"^remote\..*\.promisor$"


def fetch_missing_blobs(oids: Iterable[str], cwd: Path | None = None) -> None:
    """Bring those of these blobs here that a partial clone lacks; elsewhere nothing is done.

    What cannot be had is no error: who reads the blob hears of it from Git.
    """
    remote = find_promisor(cwd)
    wanted = sorted(set(oids)) if remote else []
    if not wanted:
        return
    with contextlib.suppress(GitError):
        missing = find_missing(wanted, cwd)
        if missing:
            # As Git does it itself: nothing is negotiated, and nothing else comes along.
            git(
                "fetch", remote, "--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no",
                "--filter=blob:none", "--stdin",
                cwd=cwd, stdin=_list_lines(missing), config={"fetch.negotiationAlgorithm": "noop"},
            )  # fmt: skip


def find_promisor(cwd: Path | None = None) -> str:
    """The remote that has what this partial clone lacks; "" where the clone is none."""
    return read_promisor(cwd or current_folder() or Path.cwd())


@lru_cache
def read_promisor(cwd: Path) -> str:
    """As ``find_promisor``, of the repository around a folder; remembered."""
    try:
        found = match_settings(_PROMISOR, cwd)
    except GitError:
        return ""
    return next((key[len("remote.") : -len(".promisor")] for key, value in found if is_true(value)), "")


def find_missing(oids: Iterable[str], cwd: Path | None = None) -> list[str]:
    """Those of these ids, of whatever kind, that are not here, found without fetching them."""
    options = ("--objects", "--no-walk", "--missing=print", "--ignore-missing", "--stdin")
    here = git("rev-list", *options, cwd=cwd, stdin=_list_lines(oids)).decode(errors="replace")
    known = {line.partition(" ")[0] for line in here.splitlines()}
    return [oid for oid in oids if oid not in known]


def _list_lines(oids: Iterable[str]) -> bytes:
    return b"".join(oid.encode() + b"\n" for oid in oids)
