"""The blobs that Git's history and indexes hold, walked by Git itself.

Nothing here has Git fetch what a partial clone left out: such blobs are skipped. Paths come as Git's walk prints them:
up to the first newline in them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from git_theta.vcs.blobs import Blob
from git_theta.vcs.git import git, run_git, scrubbed_environment


def reachable_blobs() -> Iterator[Blob]:
    """Every blob of refs, HEADs, reflogs (stashes are one) and indexes, conflict stages included, of all worktrees."""
    return _walk_blobs(["--all", "--reflog", "--indexed-objects"], [])


def indexed_blobs() -> Iterator[Blob]:
    """Every blob of the index, conflict stages included; other worktrees' come along."""
    return _walk_blobs(["--indexed-objects"], [])


def unpushed_blobs(there: Iterable[str], tips: Iterable[str], *, tracking: str = "") -> Iterator[Blob]:
    """The blobs that ``tips`` reach and a remote has not.

    Args:
        there: ids that the remote has; those unknown here are no help, and no error.
        tips: ids of what is pushed.
        tracking: name of a remote: what its remote-tracking branches reach is there as well.
    """
    names = [*tips, *(f"^{oid}" for oid in there)]
    known = ["--not", f"--remotes={tracking}"] if tracking else []
    return _walk_blobs(["--ignore-missing", "--stdin", *known], names)


def tip_blobs(tips: Iterable[str], env: Mapping[str, str]) -> Iterator[Blob]:
    """The blobs that ids of another repository reach, of which ``env`` says where it is."""
    return _walk_blobs(["--stdin"], list(tips), env)


def ref_tips(repository: Path) -> list[str]:
    """The ids that the refs of another repository on this machine point at."""
    return git("for-each-ref", "--format=%(objectname)", cwd=repository, env=scrubbed_environment()).decode().split()


def _walk_blobs(arguments: list[str], names: list[str], env: Mapping[str, str] | None = None) -> Iterator[Blob]:
    with tempfile.TemporaryFile() as listing:
        listing.write(b"".join(name.encode() + b"\n" for name in names))
        listing.seek(0)
        # --missing: a walk that stumbles over what a partial clone left out would else fetch it.
        walk = run_git("rev-list", "--objects", "--missing=print", *arguments, stdin=listing, env=env)
        form = "--batch-check=%(objecttype) %(objectsize) %(objectname) %(rest)"
        with walk as objects, run_git("cat-file", "--buffer", form, stdin=objects, env=env) as output:
            for line in output:
                if line.startswith(b"blob "):
                    _, size, oid, path = line.rstrip(b"\n").split(b" ", 3)
                    yield Blob(oid.decode(), int(size), os.fsdecode(path))
