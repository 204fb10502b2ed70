"""A merge from its request to its end: at once where that can be, else as `git merge` does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from git_theta.cli import boundary, report_file
from git_theta.cli.listing import echo_line, require_worktree
from git_theta.cli.merge_across import mark_across, mark_united, sides_of, tell_whole
from git_theta.cli.merge_ending import Ending, commit_judged, finish_merge, print_result, say_uncommitted
from git_theta.cli.progress import Meter
from git_theta.cli.push_warning import warn_of_pushes
from git_theta.errors import UsageError
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.repository.evaluating.version_comparison import VersionComparison
from git_theta.repository.merging.clean_merge import merge_cleanly
from git_theta.repository.merging.contested_across import ContestedLines, is_unseen_by_git
from git_theta.repository.merging.merge_cases import find_cases
from git_theta.repository.merging.merge_many import merge_many
from git_theta.repository.merging.merge_request import MergeInputs, MergeRequest, gather_inputs
from git_theta.repository.merging.merge_two import GitMerge, merge_two
from git_theta.repository.merging.merged_checkpoints import ManyMerged
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.repository.merging.request_checks import check_request, describe_idle_rules
from git_theta.vcs import config
from git_theta.vcs.commits import shallow_boundary
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import Head, all_merge_bases
from git_theta.vcs.merges import git_merge
from git_theta.vcs.merges.merge_settings import forbids_fast_forwards, needs_git
from git_theta.vcs.merges.unmerged import unmerged_files

_DRIVER = "merge.theta.driver"


def merge_as_asked(request: MergeRequest, ending: Ending) -> int:
    """Merge what a request asks for, checked before anything is done; the exit code."""
    repository, made, found = plan_request(request)
    ordered = request.asked._replace(settings=request.asked.settings._replace(weights=made.weights))
    return _merge_heads(made, found, request._replace(asked=ordered), repository, ending)


def plan_request(request: MergeRequest) -> tuple[Repository, MergeInputs, list[FilePlan]]:
    """What a request is about. Raises UsageError for one that cannot be; rules that match nothing are told."""
    repository, top = require_worktree()
    made = gather_inputs(request, top)
    found = find_cases(made, repository, boundary.warn) if len(made.heads) > 1 else []
    check_request(found, request, made, top)
    for idle in describe_idle_rules(found, request.asked):
        boundary.warn(idle, hint="Names of parameters: git theta ls-files --parameters")
    return repository, made, found


def _merge_heads(
    made: MergeInputs, found: Sequence[FilePlan], request: MergeRequest, repository: Repository, ending: Ending
) -> int:
    """Merge by what there is: at once, or as `git merge` does; the exit code: 1 where anything is left in conflict."""
    if found:
        warn_of_pushes(repository)
    if len(made.heads) > 2 or len(made.others) > 1 or (request.base is not None and len(made.heads) > 1):
        if made.base is None:
            assert repository.worktree
            raise UsageError("the heads have no commit in common", hint=_unrelated_hint(repository.worktree))
        return finish_merge(_merge_at_once(made, found, request, repository, ending), made, repository, ending)
    if made.others:
        return _merge_one(made, found, request, repository, ending)
    if ending.as_json:
        print_result((), (), repository, ending, committed=True)
    else:
        echo_line("Already up to date.")
    return 0


def _merge_at_once(
    made: MergeInputs, found: Sequence[FilePlan], request: MergeRequest, repository: Repository, ending: Ending
) -> ManyMerged:
    say = ending.message
    return merge_many(made, found, request.asked, repository, message=say, warn=boundary.warn, progress=Meter())


def _merge_one(
    made: MergeInputs, found: Sequence[FilePlan], request: MergeRequest, repository: Repository, ending: Ending
) -> int:
    """Merge one head: whole, or, where that leaves something contested, file by file as `git merge` does."""
    mark: Callable[[], ContestedLines] = dict
    may_be_clean = not needs_git(repository)
    if len(made.heads) > 1 and _has_one_base(made, repository) and (found or may_be_clean):
        merged = _merge_at_once(made, found, request, repository, ending)
        if not merged.conflicts:
            return finish_merge(merged, made, repository, ending)
        mark = partial(mark_across, merged.across, found, made, repository)
        may_be_clean &= _is_unseen(merged, found, made, repository)
        request = request._replace(asked=request.asked._replace(cluster=""))  # what it computed is remembered
    elif found:
        mark = partial(mark_united, found, made, repository)
    _require_driver(repository)
    may_be_clean &= bool(made.base) and not _is_fast_forward(made, repository)
    by_file = _merge_by_file(made.others[0], request.asked, repository, ending, may_be_clean=may_be_clean)
    code = _finish_one(by_file, made, repository, ending, mark)
    if code and git_merge.is_merging(repository):
        tell_whole(found)
    return code


def _has_one_base(made: MergeInputs, repository: Repository) -> bool:
    """Whether two heads have one merge base: of several, `git merge` makes one first."""
    ours, theirs = made.heads
    return len(all_merge_bases(ours.commit, theirs.commit, cwd=repository.worktree)) == 1


def _is_unseen(merged: ManyMerged, found: Sequence[FilePlan], made: MergeInputs, repository: Repository) -> bool:
    """Whether `git merge` sees no conflict in what is contested of checkpoints, as far as they tell."""
    told = sum(map(len, merged.unsettled.values())) == len(merged.conflicts)
    return told and is_unseen_by_git(merged.unsettled, found, sides_of(made), repository)


def _is_fast_forward(made: MergeInputs, repository: Repository) -> bool:
    return len(made.heads) == 1 and not forbids_fast_forwards(repository)


def _merge_by_file(
    head: Head, asked: MergeOptions, repository: Repository, ending: Ending, *, may_be_clean: bool
) -> GitMerge:
    """Merge one head as `git merge` does, up to the commit; what drivers kept to themselves is said."""
    merged = merge_cleanly(head, asked, repository, message=ending.message) if may_be_clean else None
    merged = merged or merge_two(head, asked, repository, message=ending.message)
    boundary.say(*merged.words, prefix="")
    return merged


def _finish_one(
    merged: GitMerge, made: MergeInputs, repository: Repository, ending: Ending, mark: Callable[[], ContestedLines]
) -> int:
    """Commit what `git merge` made of one head; the exit code: 1 where anything is left in conflict.

    ``mark`` puts into conflict what Git did not see to be contested, and says what that is.
    """
    gates: tuple[VersionComparison, ...] = ()
    if ending.report and merged.begun:
        report_file.write_report(ending.report, merged.records)
    missed = mark() if merged.begun else {}
    code = merged.code or int(bool(missed))
    commits = merged.begun and ending.commit and not code
    if commits:
        code, gates = commit_judged(made, merged.records, repository, ending)
    if ending.as_json:
        left = [one.path for one in unmerged_files(cwd=repository.worktree)] if merged.begun else []
        done = not code and not git_merge.is_merging(repository)
        print_result(merged.records, left, repository, ending, committed=done, gates=gates)
    elif not commits and not missed:
        sys.stdout.flush()
        sys.stdout.buffer.write(merged.printed)
    if merged.begun and not (code or ending.commit or merged.by_git):
        say_uncommitted()
    return code


def _unrelated_hint(top: Path) -> str:
    name_it = "Name what they come from: --base REV"
    return f"Get the history that is cut off: git fetch --unshallow\n{name_it}" if shallow_boundary(top) else name_it


def _require_driver(repository: Repository) -> None:
    """Without it Git would merge manifests as text."""
    if _DRIVER not in config.active_settings(cwd=repository.worktree):
        raise UsageError("the merge driver is not installed here", hint="git theta install")
