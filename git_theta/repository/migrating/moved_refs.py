"""Branches, tags and notes that follow a history which was made anew: all of them in one step, or none."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from git_theta.errors import UsageError
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import AS_STORED, git, git_succeeds
from git_theta.vcs.revisions import find_commit
from git_theta.vcs.tag_objects import read_tag, write_retargeted
from git_theta.vcs.worktrees import checked_out_branches

ORIGINALS = "refs/theta/original"
"""Below it, by number and name, what refs pointed at before a migration moved them."""
NEW_HISTORY = "refs/theta/migrating"
"""Where the last commit of a history stands that is being made."""
HEAD = "HEAD"
_MOVED = ("refs/heads", "refs/tags")
_NOTES = "refs/notes"
_NOTES_SCRATCH = "refs/notes/theta-migrating"


class MovedRef(NamedTuple):
    """A ref, what it points at, and what it is to point at."""

    name: str
    old: str
    new: str


class RefMoves(NamedTuple):
    """What is to be moved; ``unsigned``: the tags that lose a signature by it."""

    refs: list[MovedRef]
    unsigned: list[str]


def list_movable() -> dict[str, str]:
    """Every branch and tag to the id that it points at; a detached HEAD, too. None that follows another by itself."""
    refs = _list_refs(*_MOVED)
    if resolve_head_name() == HEAD and git_succeeds("rev-parse", "--verify", "--quiet", HEAD):
        refs[HEAD] = git("rev-parse", HEAD).decode().strip()
    return refs


def read_refs(names: Iterable[str]) -> dict[str, str]:
    """What each of these refs points at; "" for one that is not there."""
    found = {}
    for name in names:
        there = git_succeeds("rev-parse", "--verify", "--quiet", name)
        found[name] = git("rev-parse", "--verify", name).decode().strip() if there else ""
    return found


def resolve_head_name() -> str:
    """The branch that is checked out, by its whole name; ``HEAD`` where none is."""
    attached = git_succeeds("symbolic-ref", "--quiet", HEAD)
    return os.fsdecode(git("symbolic-ref", HEAD)).strip() if attached else HEAD


def choose_tips(named: Sequence[str], *, everything: bool) -> dict[str, str]:
    """The branches and tags (name to commit) whose history is meant: those that are named, else the current one.

    Raises UsageError for what is neither, and where nothing is committed yet.
    """
    refs = list_movable()
    if everything:
        tips = {name: commit for name in refs if (commit := _commit_of(name))}
        if not tips:
            raise UsageError("nothing is committed here yet")
        return tips
    tips = {}
    for name in named or (HEAD,):
        full = _find_named(name, refs) or _symbolic_name(name)
        commit = _commit_of(full) if full in refs else None
        if commit is None:
            what = "nothing is committed here yet" if name == HEAD else f"{name!r} is neither a branch nor a tag here"
            raise UsageError(what, hint="git branch --list and git tag --list name them.")
        tips[full] = commit
    return tips


def plan_moves(commits: Mapping[str, str]) -> RefMoves:
    """What points at a commit that another one takes the place of (old to new): it is to point at that one."""
    moves = RefMoves([], [])
    for name, oid in list_movable().items():
        new = commits.get(oid) or _retag(name, oid, commits, moves.unsigned)
        if new:
            moves.refs.append(MovedRef(name, oid, new))
    return moves


def list_left_behind(first: Iterable[str], moved: Iterable[MovedRef]) -> list[str]:
    """The branches and tags that still have one of these commits in their history, or are it."""
    contains = [f"--contains={commit}" for commit in first]
    listing = git("for-each-ref", "--format=%(refname)", *contains, *_MOVED)
    return sorted(set(os.fsdecode(listing).splitlines()) - {ref.name for ref in moved})


def copy_notes(commits: Mapping[str, str]) -> list[MovedRef]:
    """Notes of commits, for those that take their places, too; nothing points at them yet. Raises GitError."""
    pairs = "".join(f"{old} {new}\n" for old, new in commits.items()).encode()
    moved = []
    for name, old in _list_refs(_NOTES).items():
        is_tree = git_succeeds("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{tree}}")
        if name == _NOTES_SCRATCH or not is_tree:  # of a migration that was killed; or without a note
            continue
        git("update-ref", _NOTES_SCRATCH, old)
        try:
            git("notes", f"--ref={_NOTES_SCRATCH}", "copy", "--stdin", "--force", stdin=pairs)
            new = git("rev-parse", _NOTES_SCRATCH).decode().strip()
        finally:
            git("update-ref", "-d", _NOTES_SCRATCH)
        if new != old:
            moved.append(MovedRef(name, old, new))
    return moved


def next_backup() -> str:
    """The name below which the next migration keeps what it moves."""
    return f"{ORIGINALS}/{max(list_backups(), default=0) + 1}"


def list_backups() -> list[int]:
    """The numbers of the migrations of which something is kept."""
    names = os.fsdecode(git("for-each-ref", "--format=%(refname)", ORIGINALS)).splitlines()
    numbers = {name.removeprefix(f"{ORIGINALS}/").partition("/")[0] for name in names}
    return sorted(int(number) for number in numbers if number.isdecimal())


def backup_name(backup: str, ref: str) -> str:
    """Where a migration keeps what a ref pointed at."""
    return f"{backup}/{ref.removeprefix('refs/')}"


def move_refs(moved: Iterable[MovedRef], backup: str, why: str) -> None:
    """Move them, and keep what they pointed at: all in one transaction of Git's.

    Raises GitError where one of them was moved by somebody else meanwhile: then none is moved.
    """
    lines = []
    for ref in moved:
        lines += [*_update_lines(ref), f"create {backup_name(backup, ref.name)} {ref.old}"]
    _run_transaction(lines, why)


def move_refs_back(moved: Iterable[MovedRef], backup: str, why: str) -> None:
    """Undo :func:`move_refs`. Raises GitError where one of them was moved since: then none is."""
    lines = []
    for ref in moved:
        lines += _update_lines(MovedRef(ref.name, ref.new, ref.old))
        lines.append(f"delete {backup_name(backup, ref.name)} {ref.old}")
    _run_transaction(lines, why)


def require_not_elsewhere(moved: Iterable[MovedRef], repository: Repository) -> None:
    """Raise UsageError where another worktree has a branch checked out that is to be moved: its files would stay."""
    elsewhere = checked_out_branches(repository, elsewhere=True)
    for name in (ref.name for ref in moved if ref.name in elsewhere):
        folder = elsewhere[name]
        is_top = os.path.lexists(folder / ".git")
        switch = f"git -C {shlex.quote(os.fspath(folder))} switch --detach" if is_top else "git switch --detach, there"
        raise UsageError(
            f"{name.removeprefix('refs/heads/')} is checked out in {folder}, too",
            hint=f"Leave it there meanwhile: {switch}",
        )


def _list_refs(*below: str) -> dict[str, str]:
    """Each ref to the id that it points at; none that is another name for one (git symbolic-ref)."""
    listing = os.fsdecode(git("for-each-ref", "--format=%(objectname) %(refname) %(symref)", *below))
    entries = (line.split(" ") for line in listing.splitlines())
    return {name: oid for oid, name, other in entries if not other}


def _update_lines(ref: MovedRef) -> list[str]:
    update = f"update {ref.name} {ref.new} {ref.old}"
    return ["option no-deref", update] if ref.name == HEAD else [update]


def _run_transaction(lines: Iterable[str], why: str) -> None:
    git("update-ref", "-m", why, "--stdin", stdin=os.fsencode("".join(f"{one}\n" for one in lines)))


def _retag(name: str, oid: str, commits: Mapping[str, str], unsigned: list[str]) -> str | None:
    """An annotated tag of the commit that takes the place of its own; None where it has none, or is no tag."""
    if not name.startswith("refs/tags/") or git(AS_STORED, "cat-file", "-t", oid).strip() != b"tag":
        return None
    tag = read_tag(oid)
    target = commits.get(tag.target) if tag.kind == "commit" else _retag(name, tag.target, commits, unsigned)
    if target is None:
        return None
    if tag.is_signed:
        unsigned.append(name)
    return write_retargeted(tag, target)


def _commit_of(name: str) -> str | None:
    if not find_commit(name):
        return None
    return git(AS_STORED, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}").decode().strip()


def _find_named(name: str, refs: Collection[str]) -> str:
    """The branch or tag of that name, by its whole name; "" for none. Raises UsageError where there are two.

    Git itself gives no whole name where there are.
    """
    found = [full for full in (name, f"refs/{name}", f"refs/heads/{name}", f"refs/tags/{name}") if full in refs]
    if len(found) > 1 and name != HEAD:
        raise UsageError(
            f"{name!r} is more than one: {' and '.join(found)}", hint="Name the one that you mean in full."
        )
    return found[0] if found and name != HEAD else ""


def _symbolic_name(name: str) -> str:
    """The whole name of a ref; "" for what is none. The current branch for HEAD, where there is one."""
    if name == HEAD:
        return resolve_head_name()
    if name.startswith("-") or not git_succeeds("rev-parse", "--verify", "--quiet", name):
        return ""
    return os.fsdecode(git("rev-parse", "--symbolic-full-name", name)).strip()
