"""``git theta pre-merge-commit``: what the hook runs that Git asks between a merge and its commit."""

from __future__ import annotations

import os

import click

from git_theta.cli.across_files import warn_across
from git_theta.cli.gate_questions import GateOptions, ask_gates
from git_theta.repository.merging.mixed_commit import judge_own_merge
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.heads import HEAD, resolve_head
from git_theta.vcs.merges.git_merge import GATES_VARIABLE
from git_theta.vcs.merges.running_sides import find_octopus, merged_heads


@click.command
def command() -> int:
    """Look at the merge that is under way before its commit; Git's pre-merge-commit hook runs this.

    Exits 1 where a checkpoint is contested across files that Git merged one by one: those are put into conflict. Then
    the gates are asked, and it exits 1 where one fails: Git leaves the merge to `git commit` then, which asks no more.
    """
    if os.environ.get(GATES_VARIABLE):  # `git theta merge` has asked, or was told not to
        return 0
    repository = discover_repository()
    if across := judge_own_merge(repository):
        several = find_octopus(repository.worktree)
        warn_across(across, [head.name for head in merged_heads()] if several else ())
        return 1
    heads = [resolve_head(HEAD), *merged_heads()]
    return 0 if ask_gates(heads, GateOptions(), repository, quiet=False).passed else 1
