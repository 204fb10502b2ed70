"""The heads of a merge: their commits, which of them are independent, their merge bases, and how people call them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import UsageError
from git_theta.vcs.config import read_last_values
from git_theta.vcs.git import ask_git, git
from git_theta.vcs.remembered_settings import is_false
from git_theta.vcs.revisions import find_commit, find_commits
from git_theta.vcs.shallow_clones import describe_deepening

HEAD = "HEAD"

_FULL_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TAG = "tag "
_REF_KINDS = {"refs/tags/": _TAG, "refs/heads/": "branch ", "refs/remotes/": "remote-tracking branch "}
_REF_PLACES = ("", "refs/", *_REF_KINDS)
"""Where Git looks for what a short name stands for, in its order (gitrevisions(7))."""


class Head(NamedTuple):
    """A commit, and what the person calls it."""

    name: str
    commit: str


def resolve_head(name: str, cwd: Path | None = None) -> Head:
    """The commit of that name. Raises UsageError where there is none, GitError where Git cannot read it."""
    return _resolve_id(name, cwd) if _FULL_ID.fullmatch(name) else _resolve_name(name, cwd)


def resolve_heads(names: Sequence[str], cwd: Path | None = None) -> list[Head]:
    """As ``resolve_head``, of several names in one question to Git."""
    found = find_commits(names, cwd)
    return [Head(name, found[name]) if name in found else resolve_head(name, cwd) for name in names]


def _resolve_name(name: str, cwd: Path | None) -> Head:
    found = find_commit(name, cwd)
    if found:
        return Head(name, found)
    if name == HEAD:
        raise UsageError("nothing is committed here yet", hint="Begin at a branch: git switch BRANCH")
    hints = ["Name a branch, a tag or a commit: git log --all", describe_deepening(cwd)]
    raise UsageError(f"{name!r} is no commit here", hint="\n".join(filter(None, hints)))


_resolve_id = cache(_resolve_name)
"""An id stands for one commit for ever."""


def named_ids(heads: Sequence[Head], cwd: Path | None = None) -> list[str]:
    """The id of what each head is called by: that of a tag, where it is one; its commit, where the name moved on."""
    names = "".join(f"{head.name}\n{head.name}^{{commit}}\n" for head in heads)
    answers = git("cat-file", "--batch-check=%(objectname)", cwd=cwd, stdin=os.fsencode(names)).decode().splitlines()
    found = zip(heads, answers[::2], answers[1::2], strict=True)
    return [named if commit == head.commit else head.commit for head, named, commit in found]


def name_commit(commit: str, cwd: Path | None = None) -> str:
    """What people can call a commit by a branch or tag, such as ``main~3``; "" where none reaches it."""
    excluded = ("--exclude=refs/theta/*", "--exclude=refs/stash")
    name = git("name-rev", "--name-only", *excluded, commit, cwd=cwd).decode().strip()
    return "" if name == "undefined" else name.removeprefix("tags/").removesuffix("^0")


def independent_heads(heads: Sequence[Head], cwd: Path | None = None) -> list[Head]:
    """The heads that no other one has in its history, in their order, each commit once."""
    if len(heads) < 2:
        return list(heads)
    kept = git("merge-base", "--independent", *(head.commit for head in heads), cwd=cwd).decode().split()
    first = {head.commit: head for head in reversed(heads)}
    return [head for head in heads if head.commit in kept and first[head.commit] is head]


def merge_base(heads: Sequence[Head], cwd: Path | None = None) -> str | None:
    """The best commit that is in the history of every head; None for histories that have nothing in common."""
    found = ask_git("merge-base", "--octopus", *(head.commit for head in heads), cwd=cwd)
    return found.decode().strip() if found else None


def all_merge_bases(ours: str, *theirs: str, cwd: Path | None = None) -> list[str]:
    """The best commits in the history of ours and of any of the others."""
    return (ask_git("merge-base", "--all", ours, *theirs, cwd=cwd) or b"").decode().split()


def merge_message(heads: Sequence[Head], message: str | None = None, cwd: Path | None = None) -> str:
    """What Git would say about merging these heads into HEAD: ``Merge branches 'a' and 'b'``, or a person's message.

    With what ``merge.log`` asks for.
    """
    if message is not None and not _lists_commits(cwd):
        return f"{message}\n"
    spoken = () if message is None else ("-m", message)
    lines = "".join(_describe_head(head, cwd) for head in heads)
    return os.fsdecode(git("fmt-merge-msg", *spoken, cwd=cwd, stdin=os.fsencode(lines)))


def _lists_commits(cwd: Path | None) -> bool:
    """Whether messages of merges are to list what is merged."""
    settings = read_last_values(["merge.summary", "merge.log"], cwd=cwd).values()
    return any(not is_false(value) for value in settings)


def _describe_head(head: Head, cwd: Path | None) -> str:
    """A head's line for ``git fmt-merge-msg``. A tag has its own id there: what it says becomes part of the message."""
    names = [place + head.name for place in _REF_PLACES]
    listed = os.fsdecode(git("for-each-ref", "--format=%(refname) %(objectname)", *names, cwd=cwd)).splitlines()
    ids = dict(line.split() for line in listed)
    ref = next((name for name in names if name in ids), "")
    kind = next((kind for place, kind in _REF_KINDS.items() if ref.startswith(place)), "")
    return f"{ids[ref] if kind == _TAG else head.commit}\t\t{kind}'{head.name}' of .\n"
