"""Submit a head to a round: a branch that names it, once it is known that the round can take it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import ConflictError, UsageError
from git_theta.operations.context import Progress
from git_theta.repository.merging.merge_cases import find_cases
from git_theta.repository.merging.merge_request import MergeInputs
from git_theta.repository.merging.merged_checkpoints import merge_checkpoints
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.repository.rounds.head_distances import count_bytes, measure_heads
from git_theta.repository.rounds.round_refs import Round
from git_theta.repository.rounds.shared_files import build_checkpoints, find_own_frames, write_checkpoints
from git_theta.repository.rounds.shared_heads import RoundStart, SharedHead, read_start, share_head
from git_theta.repository.stores.opening import open_context
from git_theta.vcs import trees
from git_theta.vcs.branches import find_tip, move_branch, require_unused, resolve_branch, write_commit
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, split_nul
from git_theta.vcs.heads import Head, merge_base, name_commit
from git_theta.vcs.ref_listing import is_ancestor
from git_theta.vcs.shallow_clones import describe_deepening, is_cut_off

REBASING = MergeOptions("task-arithmetic", ("lambda=1",))
"""How the changes of a late head are put on top of another start: base + (start - base) + (head - base)."""
_NOT_IN_NAMES = re.compile(r"[^\w.+@-]+|\.\.+")


class HeadSubmission(NamedTuple):
    """What was submitted.

    Attributes:
        branch: the branch, in short.
        commit: its id.
        replaced: what the branch named before; "" for nothing, or the same.
        shared: what the round takes of it.
        framed: files of it that have other things beside parameters than those of the start, which are not taken.
        distance: how far it is from the start.
    """

    branch: str
    commit: str
    replaced: str
    shared: SharedHead
    framed: tuple[str, ...]
    distance: float | None


def name_contributor(top: Path) -> str:
    """What branches call the person: Git's name of who commits, in small letters. Raises UsageError for none."""
    said = os.fsdecode(git("var", "GIT_COMMITTER_IDENT", cwd=top)).partition(" <")[0]
    name = _NOT_IN_NAMES.sub("-", said.lower()).strip("-.").removesuffix(".lock")
    if not name:
        raise UsageError(f"no branch can be called after {said!r}", hint="Say who submits: --as NAME")
    return name


def submit_head(
    head: Head,
    who: str,
    start: RoundStart,
    repository: Repository,
    *,
    base: Head | None,
    warn: Callable[[str], None],
    progress: Progress,
) -> HeadSubmission:
    """Have the contributor's branch name a head, which the round can take.

    Args:
        head: the version.
        who: the contributor.
        start: of the round.
        repository: where.
        base: what the head's changes are measured from, where it started elsewhere: they are put on top of the round's
            start then, as a commit of their own. None for a head that started there.
        warn: is told of what is odd.
        progress: told of what is read.

    Raises UsageError, and changes nothing, for a head that the round cannot take.
    """
    top = repository.home
    ref = resolve_branch(start.round.branch_of(who), top)
    before = find_tip(ref, top)
    commit = _rebase_head(head, base, start, repository, warn, progress) if base else head.commit
    if base is None and not is_ancestor(start.round.start, commit, top):
        raise _explain_other_start(head, start.round, top)
    shared = share_head(commit, start, top)
    _require_faultless(shared.faults, start.round.tag)
    total = count_bytes(start, [shared])
    with open_context(repository, warn, progress) as context, progress.show_work("Measuring", total):
        framed = tuple(find_own_frames(shared, start, context))
        measured = measure_heads(start, [shared], context)
    _require_faultless(measured.faults[0], start.round.tag)
    if commit != before:
        require_unused(ref, repository, hint="Have another branch checked out there: git switch -c BRANCH")
        move_branch(ref, commit, before, f"round submit: {start.round.tag}", top)
    replaced = before if before != commit else ""
    branch = start.round.branch_of(who)
    return HeadSubmission(branch, commit, replaced, shared, framed, measured.find_distance(0))


def list_uncommitted(start: RoundStart, top: Path) -> list[str]:
    """The files of the round's checkpoints that are not in the worktree as they are committed."""
    changed = split_nul(git("diff", "--name-only", "-z", "--no-ext-diff", "HEAD", cwd=top))
    known = {shard.path for found in start.checkpoints.values() for shard in found.shards}
    return [path for path in changed if path in known]


def _rebase_head(
    head: Head,
    base: Head,
    start: RoundStart,
    repository: Repository,
    warn: Callable[[str], None],
    progress: Progress,
) -> str:
    """A commit on top of the start, with what a head changed since a base of what is shared. Raises ConflictError."""
    top, tag = repository.home, start.round.tag
    if not is_ancestor(base.commit, head.commit, top):
        raise UsageError(
            f"{base.name} is not in the history of {head.name}",
            hint=f"Name what you tuned from. {describe_deepening(top)}".rstrip(),
        )
    before = read_start(start.round._replace(start=base.commit), top)._replace(policy=start.policy)
    shared = share_head(head.commit, before, top)
    _require_faultless(shared.faults, tag)
    with open_context(repository, warn) as context:
        tree = write_checkpoints(build_checkpoints(shared, before, context), before, top)
    made = MergeInputs((Head(tag, start.commit), Head(head.name, tree)), base, None, ("the start", "the head"))
    merged = merge_checkpoints(made, find_cases(made, repository, warn), REBASING, repository, warn, progress)
    if merged.conflicts:
        raise ConflictError(
            f"the head's changes do not go on top of {tag}: {merged.conflicts[0]}",
            hint=f"Merge them by hand: git switch -c BRANCH {tag}\n"
            f"git theta merge --base {base.name} {head.commit[:12]}",
        )
    message = f"Put {head.commit[:12]} on top of {tag}\n\nIts changes are those since {base.commit[:12]}."
    new = trees.write_changed_tree(start.commit, merged.files, top)
    return write_commit(new, [start.commit, head.commit], message, top)


def _explain_other_start(head: Head, one: Round, top: Path) -> UsageError:
    """That a head is of another round, and how it joins this one."""
    if is_cut_off(head.commit, one.start, top):
        return UsageError(
            f"nobody here knows whether {head.name} starts from {one.tag}: its history ends before",
            hint=describe_deepening(top),
        )
    common = merge_base([head, Head(one.tag, one.start)], top)
    if common is None:
        return UsageError(
            f"{head.name} has no commit in common with {one.tag}", hint=f"Tune from it: git switch {one.tag}"
        )
    if common == head.commit:
        return UsageError(
            f"{head.name} is in {one.tag} already", hint=f"Tune on from the new start: git switch -c BRANCH {one.tag}"
        )
    came_from = name_commit(common, top) or common[:12]
    return UsageError(
        f"{head.name} does not start from {one.tag}, but from {came_from}",
        hint=f"Put its changes on top of {one.tag}: git theta round submit --base {came_from}",
    )


def _require_faultless(faults: Sequence[str], tag: str) -> None:
    if faults:
        raise UsageError(
            f"{tag} cannot take this head: {'; '.join(faults)}",
            hint="Nothing was submitted. A head is its round's start, tuned. What it changed: "
            f"git diff --stat {tag} HEAD; by parameters: git theta diff {tag} HEAD",
        )
