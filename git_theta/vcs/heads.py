"""The heads of a merge: their commits, which of them are independent, and their merge base."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import GitError, UsageError
from git_theta.vcs.git import MERGED_HEAD, ask_git, git, git_succeeds
from git_theta.vcs.revisions import find_commit
from git_theta.vcs.shallow_clones import describe_deepening

HEAD = "HEAD"

_MELDING = ("squash", "fixup")
"""Lines of a rebase that pick a commit into the one before; no CHERRY_PICK_HEAD tells of these."""
PICKING = ("pick", "reword", "edit", *_MELDING)
"""Lines of a rebase that pick a commit."""
_SHORT = {word[0]: word for word in PICKING}
"""What people may write for these; Git writes so, too, where ``rebase.abbreviateCommands`` is set."""

_SQUASHED = "Squashed commit of the following:"
"""How Git begins what it notes of a `git merge --squash`; a commit of each that was squashed follows, newest first."""
_REVERTED = re.compile(rb"^This reverts commit ([0-9a-f]{7,64})\b", re.MULTILINE)
"""How Git says in the message of a revert what that undoes; nothing else tells while its commit is being made."""

_FULL_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF_KINDS = {"heads": "branch ", "tags": "tag ", "remotes": "remote-tracking branch "}


class Head(NamedTuple):
    """A commit, and what the person calls it."""

    name: str
    commit: str


def resolve_head(name: str, cwd: Path | None = None) -> Head:
    """The commit of that name. Raises UsageError where there is none, GitError where Git cannot read it."""
    return _resolve_id(name, cwd) if _FULL_ID.fullmatch(name) else _resolve_name(name, cwd)


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


class MergeSides(NamedTuple):
    """The commits of a merge of two sides. ``base`` is None where they have no commit in common."""

    base: str | None
    ours: str
    theirs: str


def find_sides(git_dir: Path, cwd: Path | None = None) -> MergeSides | None:
    """The sides of the merge, pick, revert, rebase or squash that stopped here; None where Git keeps no note of them.

    A merge of several heads has none, nor one with several merge bases that are in conflict with each other.
    """
    kinds = {
        "MERGE_HEAD": _sides_of_merge,
        "CHERRY_PICK_HEAD": _sides_of_pick,
        "REVERT_HEAD": _sides_of_revert,
        "REBASE_HEAD": _sides_of_pick,  # a rebase that stops has taken CHERRY_PICK_HEAD away
    }
    for name, find in kinds.items():
        if (git_dir / name).exists() and (name != "REBASE_HEAD" or _waits_for_pick(git_dir)):
            heads = (git_dir / name).read_text().split()
            return find(heads[0], cwd) if len(heads) == 1 else None
    return _sides_of_rebase(git_dir, _MELDING, cwd) or _sides_of_squash(git_dir, cwd)


def find_reverted(message: bytes, cwd: Path | None = None) -> MergeSides | None:
    """The sides of the revert that a commit of this message records; None where it records none."""
    found = _REVERTED.search(message)
    with suppress(UsageError):
        return _sides_of_revert(resolve_head(found[1].decode(), cwd).commit, cwd) if found else None
    return None


def find_baseless(git_dir: Path, cwd: Path | None = None) -> MergeSides | None:
    """The sides of a merge whose merge bases are in conflict with each other: nobody knows what Git began at."""
    with suppress(OSError):
        heads = (git_dir / "MERGE_HEAD").read_text().split()
        ours = resolve_head(HEAD, cwd).commit
        if len(heads) == 1 and len(all_merge_bases(ours, heads[0], cwd=cwd)) > 1:
            return MergeSides(None, ours, heads[0])
    return None


def note_revert(commit: str, cwd: Path | None = None) -> None:
    """Note that a commit is being reverted, as Git does where a revert stops by itself."""
    git("update-ref", "REVERT_HEAD", commit, cwd=cwd)


def find_driver_sides(git_dir: Path, cwd: Path | None = None) -> MergeSides | None:
    """The sides of the merge that runs our driver right now; None where a driver cannot know.

    `git merge` names its heads in the environment, and writes MERGE_HEAD when it is done. A rebase notes what it picks
    before it does; a cherry-pick does not.
    """
    merged = independent_heads(merged_heads(cwd), cwd)
    if merged:
        return _sides_of_merge(merged[0].commit, cwd) if len(merged) == 1 else None
    return _sides_of_rebase(git_dir, PICKING, cwd)


def find_applied_sides(git_dir: Path, cwd: Path | None = None) -> MergeSides | None:
    """The sides of what a rebase by patches (``git rebase --apply``) picks right now."""
    with suppress(OSError):
        if (git_dir / "rebase-apply").is_dir():
            return _sides_of_pick((git_dir / "REBASE_HEAD").read_text().strip(), cwd)
    return None


def find_stash_sides(stash: str, cwd: Path | None = None) -> MergeSides | None:
    """The sides of a stash that is being applied; None where there is none of that name."""
    with suppress(UsageError):
        base = resolve_head(f"{stash}^", cwd).commit
        return MergeSides(base, resolve_head(HEAD, cwd).commit, resolve_head(stash, cwd).commit)
    return None


def merges_several(git_dir: Path) -> bool:
    """Whether the merge that stopped here is of several heads at once."""
    with suppress(OSError):
        return len((git_dir / "MERGE_HEAD").read_text().split()) > 1
    return False


def find_octopus(cwd: Path | None = None) -> list[str | None]:
    """The merge base, HEAD and the heads that the `git merge` above us merges at once; nothing for one head alone."""
    heads = independent_heads(merged_heads(cwd), cwd)
    if len(heads) < 2:
        return []
    all_heads = [resolve_head(HEAD, cwd), *heads]
    return [merge_base(all_heads, cwd), *(head.commit for head in all_heads)]


def merged_heads(cwd: Path | None = None) -> list[Head]:
    """The heads that the `git merge` above us merges into HEAD, by the names that the person gave them."""
    found = sorted((name, word) for name, word in os.environ.items() if name.startswith(MERGED_HEAD))
    return [Head(word, resolve_head(name.removeprefix(MERGED_HEAD), cwd).commit) for name, word in found]


def _sides_of_merge(theirs: str, cwd: Path | None) -> MergeSides | None:
    ours = resolve_head(HEAD, cwd).commit
    bases = all_merge_bases(ours, theirs, cwd=cwd)
    if len(bases) < 2:
        return MergeSides(next(iter(bases), None), ours, theirs)
    base = _unite_bases(bases, cwd)
    return MergeSides(base, ours, theirs) if base else None


def _sides_of_rebase(git_dir: Path, commands: Sequence[str], cwd: Path | None) -> MergeSides | None:
    """The sides of what a rebase picks right now, if it does so by one of these commands."""
    command, *words = _last_of_rebase(git_dir)
    return _sides_of_pick(words[0], cwd) if words and command in commands else None


def _waits_for_pick(git_dir: Path) -> bool:
    """Whether a rebase has still to commit what REBASE_HEAD names. Git keeps that name when the rebase has ended."""
    rebase = git_dir / "rebase-merge"
    is_edited = _last_of_rebase(git_dir)[0] == "edit" and (rebase / "amend").exists()  # it was committed to be amended
    return (git_dir / "rebase-apply").is_dir() or (rebase.is_dir() and not is_edited)


def _last_of_rebase(git_dir: Path) -> list[str]:
    """The words of the line that a rebase has come to, its command in full first; that is "" where there is none."""
    with suppress(OSError, IndexError):
        last = (git_dir / "rebase-merge" / "done").read_text().split("\n")[-2]
        command, *words = [word for word in last.split() if not word.startswith("-")] or [""]
        return [_SHORT.get(command, command), *words]
    return [""]


def _sides_of_squash(git_dir: Path, cwd: Path | None) -> MergeSides | None:
    """The sides of a `git merge --squash`; None where several heads were squashed, or HEAD has moved since."""
    with suppress(OSError):
        title, *lines = (git_dir / "SQUASH_MSG").read_text(errors="replace").splitlines() or [""]
        commits = [line.split()[1] for line in lines if re.match("commit [0-9a-f]{40}", line)]
        if title == _SQUASHED and commits:
            new = git("rev-list", commits[0], f"^{HEAD}", cwd=cwd).decode().split()
            return _sides_of_merge(commits[0], cwd) if set(new) == set(commits) else None
    return None


def _unite_bases(bases: Sequence[str], cwd: Path | None) -> str | None:
    """The merge of several merge bases, as Git makes it first; None where they are in conflict with each other."""
    from git_theta.vcs.git_merge import commit_tree, merge_trees

    united, *others = bases
    for other in others:
        try:
            tree, conflicts = merge_trees(united, other, cwd)
        except GitError:  # a Git that cannot
            return None
        if conflicts:
            return None
        united = commit_tree(tree, [united, other], cwd)
    return united


def _sides_of_pick(theirs: str, cwd: Path | None) -> MergeSides | None:
    ours = resolve_head(HEAD, cwd).commit
    return _choose_sides([(parent, ours, theirs) for parent in _parents_of(theirs, cwd)], cwd)


def _sides_of_revert(undone: str, cwd: Path | None) -> MergeSides | None:
    ours = resolve_head(HEAD, cwd).commit
    return _choose_sides([(undone, ours, parent) for parent in _parents_of(undone, cwd)], cwd)


def _choose_sides(candidates: list[tuple[str, str, str]], cwd: Path | None) -> MergeSides | None:
    """The sides of what is picked or undone, given for each of its parents; None where nobody can know which."""
    if len(candidates) > 1:  # of a merge
        from git_theta.vcs.mainlines import explains_index

        candidates = [commits for commits in candidates if explains_index(commits, cwd)]
    return MergeSides(*candidates[0]) if len(candidates) == 1 else None


def _parents_of(commit: str, cwd: Path | None) -> list[str]:
    return git("rev-parse", f"{commit}^@", cwd=cwd).decode().split()


def all_merge_bases(ours: str, *theirs: str, cwd: Path | None = None) -> list[str]:
    """The best commits in the history of ours and of any of the others."""
    return (ask_git("merge-base", "--all", ours, *theirs, cwd=cwd) or b"").decode().split()


def merge_message(heads: Sequence[Head], cwd: Path | None = None) -> str:
    """What Git would say about merging these heads into HEAD: ``Merge branches 'a' and 'b'``."""
    lines = "".join(f"{head.commit}\t\t{_ref_kind(head.name, cwd)}'{head.name}' of .\n" for head in heads)
    return os.fsdecode(git("fmt-merge-msg", cwd=cwd, stdin=os.fsencode(lines)))


def _ref_kind(name: str, cwd: Path | None) -> str:
    found = (
        kind for folder, kind in _REF_KINDS.items() if git_succeeds("show-ref", "-q", f"refs/{folder}/{name}", cwd=cwd)
    )
    return next(found, "")
