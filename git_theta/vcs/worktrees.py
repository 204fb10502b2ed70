"""All worktrees of a repository: their Git directories, and where their files are."""

from __future__ import annotations

import os
from pathlib import Path

from git_theta.errors import GitError
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, scrubbed_environment, split_nul


def worktree_git_dirs(common_dir: Path) -> list[Path]:
    """The Git directory of each worktree, the main one's first, whether its files are there now or not.

    ``common_dir``: what all of them share; of a bare repository, itself.
    """
    linked = common_dir / "worktrees"
    return (
        [common_dir, *sorted(path for path in linked.iterdir() if path.is_dir())] if linked.is_dir() else [common_dir]
    )


def worktree_tops(repository: Repository) -> list[Path]:
    """The top of each worktree whose files are there now."""
    main, *linked = worktree_git_dirs(repository.common_dir)
    named = [_main_top(main), *map(_linked_top, linked)]
    there = [top for top in named if top and os.path.lexists(top / ".git")]
    ours = [repository.worktree] if repository.worktree else []  # GIT_WORK_TREE names one without a .git
    return list({os.path.realpath(top): top for top in (*ours, *there)}.values())


def checked_out_branches(repository: Repository, *, elsewhere: bool = False) -> dict[str, Path]:
    """The branches that worktrees have checked out, by whole name, to where: the top of one, or its Git directory where
    Git has no note of that. ``elsewhere``: without that of our own worktree.
    """
    main, ours = repository.common_dir, repository.git_dir if elsewhere and repository.worktree else None
    found = {}
    for git_dir in worktree_git_dirs(main):
        if ours and os.path.realpath(git_dir) == os.path.realpath(ours):
            continue
        branch = None if git_dir == main and _is_bare(main) else _checked_out_branch(git_dir)
        if branch:
            found[branch] = find_top(git_dir, repository)
    return found


def find_top(git_dir: Path, repository: Repository) -> Path:
    """The top of the worktree that has a Git directory; that directory where Git has no note of the other."""
    is_main = git_dir == repository.common_dir
    return Path(os.path.realpath((_main_top(git_dir) if is_main else _linked_top(git_dir)) or git_dir))


def worktree_files(top: Path, repository: Repository) -> list[str]:
    """The paths of all files of a worktree, relative to its top: those that Git knows, those it does not, and those it
    ignores. Nothing of other repositories in it. ``repository``: that of our worktree, which need not say so itself.
    """
    named = () if os.path.lexists(top / ".git") else (f"--git-dir={repository.git_dir}", f"--work-tree={top}")
    listing = git(*named, "ls-files", "-z", "--cached", "--others", cwd=top, env=scrubbed_environment())
    return [path for path in dict.fromkeys(split_nul(listing)) if not path.endswith("/")]


def _is_bare(git_dir: Path) -> bool:
    answer = git(f"--git-dir={git_dir}", "rev-parse", "--is-bare-repository", env=scrubbed_environment())
    return answer.strip() == b"true"


def _checked_out_branch(git_dir: Path) -> str | None:
    try:
        answer = git(f"--git-dir={git_dir}", "symbolic-ref", "--quiet", "HEAD", env=scrubbed_environment())
    except GitError:  # none is, or what is left of a worktree
        return None
    return os.fsdecode(answer).rstrip("\n")


def _main_top(common_dir: Path) -> Path | None:
    """Where the main worktree is; None in a bare repository."""
    try:
        named = git("config", "--file", common_dir / "config", "--get", "core.worktree", env=scrubbed_environment())
    except GitError:  # beside its Git directory
        return common_dir.parent if common_dir.name == ".git" else None
    return common_dir / os.fsdecode(named.rstrip(b"\n"))


def _linked_top(git_dir: Path) -> Path | None:
    """Where a linked worktree is; None where Git has no note of it."""
    try:
        named = (git_dir / "gitdir").read_bytes()
    except OSError:
        return None
    return (git_dir / os.fsdecode(named.rstrip(b"\n"))).parent
