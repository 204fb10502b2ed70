"""Revisions as people write them: what they stand for, and which words are paths instead."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from git_theta.errors import GitError, UsageError
from git_theta.vcs.cat_file import BLOB_ID, spell_question
from git_theta.vcs.git import LOSS_HINT, git, git_succeeds
from git_theta.vcs.unknown_revisions import find_unknown, refuse_revision

OID_DIGITS = 12
"""Hex digits of an id, where a person reads it."""


def find_commit(name: str, cwd: Path | None = None) -> str:
    """The id of the commit that a revision names; "" where it names none.

    Raises GitError, with its id, for an object that Git cannot read: nobody knows what it is.
    """
    if commit := _resolve(f"{name}^{{commit}}", cwd):
        return commit
    named = _resolve(name, cwd)
    if named and not git_succeeds("cat-file", "-t", named, cwd=cwd):
        raise GitError(f"Git cannot read {named}, which is {name}", hint=LOSS_HINT)
    return ""


def find_commits(names: Sequence[str], cwd: Path | None = None) -> dict[str, str]:
    """The ids of the commits that revisions name, by revision; without those that name none that Git can read."""
    questions = "".join(spell_question(f"{name}^{{commit}}", cwd) + "\n" for name in names)
    answers = git("cat-file", "--batch-check=%(objectname)", cwd=cwd, stdin=os.fsencode(questions)).decode(
        errors="replace"
    )
    found = zip(names, answers.splitlines(), strict=True)
    return {name: oid for name, oid in found if BLOB_ID.fullmatch(oid)}


def _resolve(name: str, cwd: Path | None) -> str:
    """The id of what a revision names, which need not be there; "" where it names nothing, for whatever reason."""
    try:
        return git("rev-parse", "--verify", "--quiet", "--end-of-options", name, cwd=cwd).decode().strip()
    except GitError as error:
        if error.hint == LOSS_HINT:
            raise
        return ""


def commit_ids(revisions: Sequence[str]) -> list[str]:
    """The ids that revisions and ranges stand for, ``^`` before what is left out; HEAD for none.

    Raises UsageError for what is no revision, and where there is no commit yet.
    """
    try:
        found = git("rev-parse", *(revisions or ["HEAD"]), "--").decode().split()
    except GitError:
        if unknown := find_unknown(revisions or ["HEAD"]):
            refuse_revision(unknown)
        raise
    return [oid for oid in found if oid != "--"]


def keep_commits(ids: Sequence[str]) -> list[str]:
    """Those of the ids, with or without ``^``, that are commits, or tags of some: tags may be of trees, too."""
    names = b"".join(f"{oid.removeprefix('^')}^{{commit}}\n".encode() for oid in ids)
    kinds = git("cat-file", "--batch-check=%(objecttype)", stdin=names).splitlines() if names else []
    return [oid for oid, kind in zip(ids, kinds, strict=True) if kind == b"commit"]


def id_digits() -> int:
    """How many hex digits an id has in the repository we are in."""
    return 64 if git("rev-parse", "--show-object-format").strip() == b"sha256" else 40


def recent_tips(since: float) -> list[str]:
    """The ids of branches, remote-tracking branches and tags whose commit is not older than ``since``, in seconds."""
    form = "--format=%(objectname) %(committerdate:unix)%(*committerdate:unix)"
    lines = git("for-each-ref", form, "refs/heads", "refs/remotes", "refs/tags").decode().splitlines()
    found = (line.split() for line in lines)  # a tag of no commit has no date
    return [words[0] for words in found if len(words) == 2 and int(words[1]) >= since]


def split_revisions(words: Sequence[str], cwd: Path) -> tuple[list[str], list[str]]:
    """Words that no ``--`` tells apart, as Git does: revisions, then paths that are there.

    Raises UsageError for a word that may be either.
    """
    for at, word in enumerate(words):
        if _is_path(word, cwd):
            if git_succeeds("rev-parse", "--verify", "--quiet", "--end-of-options", word, cwd=cwd):
                if not is_inside_worktree(cwd):
                    continue
                raise UsageError(f"{word!r} is a revision and a path", hint="Put -- before paths, or after revisions.")
            return list(words[:at]), list(words[at:])
    return list(words), []


def is_inside_worktree(cwd: Path | None = None) -> bool:
    """Whether files of the current folder are files of the worktree: HEAD in a bare repository is none."""
    return git("rev-parse", "--is-inside-work-tree", cwd=cwd).strip() == b"true"


def _is_path(word: str, cwd: Path) -> bool:
    return os.path.lexists(cwd / word) or word.startswith(":(") or any(letter in word for letter in "*?[")
