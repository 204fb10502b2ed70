"""The blobs that Git's history and indexes hold, walked by Git itself.

Nothing here has Git fetch what a partial clone left out: such blobs are skipped. Paths come as Git's walk prints them:
up to the first newline in them. `git replace` counts for nothing: Git pushes what is behind a replacement.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from git_theta.vcs.blob_losses import describe_loss
from git_theta.vcs.blobs import Blob
from git_theta.vcs.git import AS_STORED, NAMED_REPOSITORY, git, run_git, scrubbed_environment
from git_theta.vcs.partial_clone import find_promisor

TellAbsent = Callable[[str], object]


def reachable_blobs(further: Iterable[str] = (), tell_absent: TellAbsent | None = None) -> Iterator[Blob]:
    """Every blob of refs, HEADs, reflogs (stashes are one) and indexes, conflict stages included, of all worktrees.

    Args:
        further: ids of objects that are here, which count as refs do.
        tell_absent: told the id of each tree and blob on the way that is not here; else that is an error, but in a
            partial clone.
    """
    # Indexes last: what goes from one to a ref meanwhile is what `indexed_blobs` finds first.
    return _walk_blobs(["--all", "--reflog", "--indexed-objects", "--stdin"], further, tell_absent=tell_absent)


def indexed_blobs() -> Iterator[Blob]:
    """Every blob of the index, conflict stages included; other worktrees' come along."""
    return _walk_blobs(["--indexed-objects"], [])


def tree_blobs(tips: Iterable[str]) -> Iterator[Blob]:
    """Every blob of these commits (or tags, trees, blobs) themselves, nothing of their history."""
    return _walk_blobs(["--no-walk", "--ignore-missing", "--stdin"], tips)


def range_blobs(names: Iterable[str]) -> Iterator[Blob]:
    """The blobs that these ids reach, without those that ids behind ``^`` reach."""
    return _walk_blobs(["--stdin"], names)


def blobs_by_commit(
    names: Iterable[str], tell_absent: Callable[[str], object] = lambda _: None
) -> Iterator[tuple[str, Blob]]:
    """Each blob of history, with the commit that brought it, the oldest commit first.

    Args:
        names: ids whose history is meant, not that of those behind ``^``; none for that of refs, HEADs and reflogs.
        tell_absent: told the id of each tree and blob on the way that is not here.
    """
    listed = list(names)
    which = ["--stdin"] if listed else ["--all", "--reflog"]
    commit = ""
    for kind, blob in _walk_objects(
        ["--in-commit-order", "--reverse", "--topo-order", *which], listed, None, tell_absent
    ):
        if kind == "commit":
            commit = blob.oid
        elif kind == "blob":
            yield commit, blob


def pushed_blobs(there: Iterable[str], tips: Sequence[str], *, tracking: str = "") -> Iterator[Blob]:
    """The blobs of what is pushed itself, whatever the remote has, then those of its history that the remote has not.

    Arguments as of ``unpushed_blobs``.
    """
    seen = set()
    for blob in tree_blobs(tips):
        seen.add(blob.oid)
        yield blob
    yield from (blob for blob in unpushed_blobs(there, tips, tracking=tracking) if blob.oid not in seen)


def tracking_bounds(there: Iterable[str], tips: Iterable[str], tracking: str) -> list[str]:
    """The commits at which a walk of ``unpushed_blobs`` ends, since the remote's tracking branches reach them."""
    names = "".join(f"{name}\n" for name in [*tips, *(f"^{oid}" for oid in there)])
    arguments = ("--boundary", "--ignore-missing", "--stdin", "--not", f"--remotes={tracking}")
    lines = git(AS_STORED, "rev-list", *arguments, stdin=names.encode()).decode().split()
    return [line.removeprefix("-") for line in lines if line.startswith("-")]


def absent_ids(there: Iterable[str], tips: Iterable[str]) -> list[str]:
    """What a partial clone has left out of what ``tips`` reach and ``there`` does not: ids of blobs and trees."""
    names = "".join(f"{name}\n" for name in [*tips, *(f"^{oid}" for oid in there)])
    arguments = ("--objects", "--missing=print", "--ignore-missing", "--stdin")
    lines = git(AS_STORED, "rev-list", *arguments, stdin=names.encode()).decode(errors="replace").splitlines()
    return [line.removeprefix("?") for line in lines if line.startswith("?")]


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
    return _walk_blobs(["--stdin"], tips, env)


def ref_tips(repository: Path, *patterns: str) -> list[str]:
    """The ids that the refs of a repository on this machine point at: all of them, or those below ``patterns``."""
    form = "--format=%(objectname)"
    env = scrubbed_environment()
    return git("for-each-ref", form, *patterns, cwd=repository, env=env, config=NAMED_REPOSITORY).decode().split()


def _walk_blobs(
    arguments: list[str],
    names: Iterable[str],
    env: Mapping[str, str] | None = None,
    tell_absent: TellAbsent | None = None,
) -> Iterator[Blob]:
    return (one for kind, one in _walk_objects(arguments, names, env, tell_absent) if kind == "blob")


def _walk_objects(
    arguments: list[str],
    names: Iterable[str],
    env: Mapping[str, str] | None = None,
    tell_absent: TellAbsent | None = None,
) -> Iterator[tuple[str, Blob]]:
    """The blobs, and the commits, with what each is; those have the form of a blob, too.

    Raises GitError for what cannot be read; for what is not there, unless somebody is told, or it is a partial clone's.
    """
    if tell_absent is None:
        tell_absent = _ignore_absent if env or find_promisor() else _refuse_absent
    with tempfile.TemporaryFile() as listing:
        listing.write(b"".join(name.encode() + b"\n" for name in names))
        listing.seek(0)
        # --missing: a walk that stumbles over what a partial clone left out would else fetch it.
        walk = run_git(AS_STORED, "rev-list", "--objects", "--missing=print", *arguments, stdin=listing, env=env)
        form = "--batch-check=%(objecttype) %(objectsize) %(objectname) %(rest)"
        with walk as objects, run_git(AS_STORED, "cat-file", "--buffer", form, stdin=objects, env=env) as output:
            for line in output:
                if line.startswith(b"?"):
                    tell_absent(line[1:].split(b" ", 1)[0].decode())
                elif line.startswith((b"blob ", b"commit ")):
                    kind, size, oid, path = line.rstrip(b"\n").split(b" ", 3)
                    yield kind.decode(), Blob(oid.decode(), int(size), os.fsdecode(path))
                elif line.endswith(b" missing\n"):  # it is there, or else the walk had told
                    raise describe_loss(line.split(b" ", 1)[0].decode(), "cannot read")


def _ignore_absent(oid: str) -> None:
    """A partial clone has left it out; or it is another repository's to know."""


def _refuse_absent(oid: str) -> None:
    raise describe_loss(oid, "has lost")
