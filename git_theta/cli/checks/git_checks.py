"""Whether Git runs us: its version, the filter, the drivers, the hooks; and git-lfs and man beside it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from git_theta.cli.checks.checked_setup import MAX_NAMED, CheckResult, Setup
from git_theta.cli.env import program_version
from git_theta.cli.manual_lookup import find_manual_fault
from git_theta.repository.stores.remote_transports import remotes_through_lfs
from git_theta.transport.choose import name_remote
from git_theta.transport.lfs.git_lfs import GIT_LFS_HINT
from git_theta.vcs import config, hooks
from git_theta.vcs.hook_managers import find_push_hook
from git_theta.vcs.hooks import HookState
from git_theta.vcs.left_remotes import describe_left_remote, find_left_remotes
from git_theta.words import join_some

_OLDEST_GIT = (2, 34)


def check_git(_: Setup) -> CheckResult:
    """Whether Git is recent enough."""
    words = program_version("git", "--version") or ""
    numbers = re.search(r"(\d+)\.(\d+)", words)
    if numbers and (int(numbers[1]), int(numbers[2])) >= _OLDEST_GIT:
        return None
    return "problem", f"{words or 'git'} is older than {'.'.join(map(str, _OLDEST_GIT))}", "Upgrade git."


def check_filter(setup: Setup) -> CheckResult:
    """Whether Git runs our filter, and does not go on without it."""
    active = config.active_settings()
    process = active.get("filter.theta.process", "")
    if not config.is_installed():
        what = "Git stores the files tracked here as they are" if setup.patterns else "nothing is versioned"
        return "problem", f"filter.theta is not installed, so {what}", "Run `git theta install`."
    if active.get("filter.theta.required") != "true":
        text = "filter.theta.required is not true, so a file whose filter fails is committed as it is"
        return "problem", text, "Run `git theta install`."
    return _check_interpreter(shlex.split(process)[0])


def _check_interpreter(python: str) -> CheckResult:
    """Whether the interpreter that the filter names is there, and has git-theta."""
    hint = "Run `git theta install` with the git-theta that you want to use."
    if not os.access(python, os.X_OK):
        return "problem", f"the filter is installed for {python}, which is not there", hint
    if python != sys.executable:
        done = subprocess.run([python, "-I", "-m", "git_theta", "--version"], capture_output=True)
        if done.returncode:
            return "problem", f"the filter is installed for {python}, which has no working git-theta", hint
        return "note", f"the filter runs {python}, this is {sys.executable}", hint
    return None


def check_drivers(_: Setup) -> CheckResult:
    """Whether Git merges and compares by parameters: an older git-theta installed the filter alone."""
    active = config.active_settings()
    if not config.is_installed():
        return None  # the filter's check says so
    lacking = [
        key for key in (config.MERGE_KEY, config.DIFF_KEY) if not config.Setting(key, active.get(key, "")).is_ours
    ]
    if not lacking:
        return None
    text = f"Git works on the text of manifests: {', '.join(lacking)} is not git-theta's"
    return "note", text, "Run `git theta install`."


def check_hook(setup: Setup) -> CheckResult:
    """Whether a push brings the objects along."""
    if setup.repository is None or not setup.patterns:
        return None
    command = hooks.hook_command(sys.executable)
    state, hint = find_push_hook(setup.repository.hooks_dir, command, setup.repository.worktree)
    if state in (HookState.OURS, HookState.THEIRS):
        return None
    text = f"the {hooks.HOOK_NAME} hook in {setup.repository.hooks_dir} {state.value}, so pushes upload no objects"
    if state is HookState.OUTDATED:
        return (
            "note",
            f"the {hooks.HOOK_NAME} hook in {setup.repository.hooks_dir} {state.value}",
            "Run `git theta install`.",
        )
    return "problem", text, hint


def check_merge_hooks(setup: Setup) -> CheckResult:
    """Whether merges and commits ask us what Git, file by file, has made of a checkpoint."""
    if setup.repository is None or not setup.patterns:
        return None
    folder, both = setup.repository.hooks_dir, (hooks.MERGE_HOOK_NAME, hooks.COMMIT_HOOK_NAME)
    names = [name for name in both if not hooks.runs_git_theta(folder, name)]
    if not names:
        return _check_age(folder, both)
    text = f"{' and '.join(names)} in {folder} do not run git-theta: merges, rebases and picks may mix up shards"
    call = "; ".join(f'git theta {name} "$@"' for name in names)
    return "note", text, f"Run `git theta install`; where another program keeps the hooks, have it run: {call}"


def _check_age(folder: Path, names: Sequence[str]) -> CheckResult:
    """Whether the hooks that run git-theta run this one."""
    command = hooks.hook_command(sys.executable)
    stale = [name for name in names if hooks.hook_state(folder, command, name) is HookState.OUTDATED]
    text = f"another git-theta is called by {' and '.join(stale)} in {folder}"
    return ("note", text, "Run `git theta install`.") if stale else None


def check_remotes(_: Setup) -> CheckResult:
    """Whether what is configured of where objects go is of remotes that there are."""
    left = find_left_remotes()
    if not left:
        return None
    described = [describe_left_remote(name) for name in left]
    return "note", "; ".join(text for text, _ in described), "\n".join(hint for _, hint in described)


def check_lfs(setup: Setup) -> CheckResult:
    """Whether git-lfs is here, which remotes may need."""
    if program_version("git", "lfs", "version"):
        return None
    waiting = remotes_through_lfs() if setup.repository else []
    if waiting:
        text = f"git-lfs is not installed, and objects of these remotes need it: {join_some(waiting, MAX_NAMED)}"
        return "problem", text, name_remote(GIT_LFS_HINT, waiting[0])
    return "note", "git-lfs is not installed; files that other people track with it need it", ""


def check_manual(_: Setup) -> CheckResult:
    """Whether the manual page can be shown."""
    fault = find_manual_fault()
    return ("note", fault.text, fault.hint) if fault else None
