"""``git theta doctor``: finds what is wrong with a setup, and says what to do about it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal, get_args

import click

from git_theta import registry
from git_theta.cli.boundary import say, warn
from git_theta.cli.env import program_version
from git_theta.cli.listing import echo_json, json_option, shown
from git_theta.errors import GitError, PluginError
from git_theta.operations.keeping.file_states import State, Tracked, survey
from git_theta.repository import weight_checks
from git_theta.repository.opening import open_store
from git_theta.repository.tracked_files import listed, untracked_manifests
from git_theta.vcs import attributes, config, hooks
from git_theta.vcs.discovery import Repository, discover
from git_theta.vcs.hooks import HookState
from git_theta.words import printable

_OLDEST_GIT = (2, 34)
_NAMED = 3  # paths named in a finding


@dataclass(frozen=True)
class Finding:
    """What a check has to say. ``note``: nothing is wrong, but worth knowing."""

    check: str
    state: Literal["ok", "note", "problem"]
    text: str
    hint: str = ""


Verdict = tuple[Literal["note", "problem"], str, str] | None
"""None when all is well; else (state, text, hint)."""


class Setup:
    """What the checks look at."""

    @cached_property
    def repository(self) -> Repository | None:
        try:
            return discover()
        except GitError:
            return None

    @cached_property
    def patterns(self) -> list[str]:
        """Patterns that are tracked here."""
        return [one.pattern for one in attributes.tracked_patterns(self.repository)] if self.repository else []

    @cached_property
    def files(self) -> list[Tracked]:
        """Files that are tracked here."""
        return listed(self.repository) if self.repository and self.repository.worktree else []

    def within(self, *states: State) -> list[Tracked]:
        """The tracked files in one of these states."""
        if self.repository is None or self.repository.worktree is None:
            return []
        top, store = self.repository.worktree, open_store(self.repository)
        return [file for file in self.files if survey(file, top, store).state in states]

    def named(self, paths: Sequence[str]) -> str:
        """Paths of the worktree as an enumeration; "" for none."""
        if self.repository is None or self.repository.worktree is None:
            return ""
        names = [shlex.quote(shown(path, self.repository.worktree)) for path in paths[:_NAMED]]
        return ", ".join(names) + (f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else "")


@click.command
@click.option("--values", is_flag=True, help="Look for NaN and infinite values that HEAD brought, too.")
@json_option
def command(values: bool, as_json: bool) -> int:
    """Find and explain what is wrong with a setup.

    Checks Git, the filter, the hook, the store, the plug-ins and the tracked files of the repository you are in, and
    whether branches have the same weights where they should not. Exits 1 when there is a problem.
    """
    findings = examine(Setup(), values=values)
    if as_json:
        echo_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            text = "\n".join(map(printable, finding.text.splitlines()))
            click.echo(f"{finding.state}: {finding.check}{': ' if text else ''}{text}")
            say(finding.hint, prefix="hint: ")
    return int(any(finding.state == "problem" for finding in findings))


def examine(setup: Setup, *, values: bool = False) -> list[Finding]:
    """The findings of all checks, in order; ``values``: those too that read tensors."""
    checks = CHECKS | (READING if values else {})
    return [_finding(name, check, setup) for name, check in checks.items()]


def _finding(name: str, check: Callable[[Setup], Verdict], setup: Setup) -> Finding:
    if setup.repository is None and name not in _ANYWHERE:
        return Finding(name, "note", "not checked: not in a Git repository")
    verdict = check(setup)
    return Finding(name, *verdict) if verdict else Finding(name, "ok", "")


def _git(_: Setup) -> Verdict:
    words = program_version("git", "--version") or ""
    numbers = re.search(r"(\d+)\.(\d+)", words)
    if numbers and (int(numbers[1]), int(numbers[2])) >= _OLDEST_GIT:
        return None
    return "problem", f"{words or 'git'} is older than {'.'.join(map(str, _OLDEST_GIT))}", "Upgrade git."


def _filter(setup: Setup) -> Verdict:
    active = config.active()
    process = active.get("filter.theta.process", "")
    if not config.installed():
        what = "Git stores the files tracked here as they are" if setup.patterns else "nothing is versioned"
        return "problem", f"filter.theta is not installed, so {what}", "Run `git theta install`."
    if active.get("filter.theta.required") != "true":
        text = "filter.theta.required is not true, so a file whose filter fails is committed as it is"
        return "problem", text, "Run `git theta install`."
    return _interpreter(shlex.split(process)[0])


def _drivers(_: Setup) -> Verdict:
    """Whether Git merges and compares by parameters: an older git-theta installed the filter alone."""
    active = config.active()
    if not config.installed():
        return None  # the filter's check says so
    lacking = [key for key in (config.MERGE, config.DIFF) if not config.Setting(key, active.get(key, "")).ours]
    if not lacking:
        return None
    text = f"Git works on the text of manifests: {', '.join(lacking)} is not git-theta's"
    return "note", text, "Run `git theta install`."


def _interpreter(python: str) -> Verdict:
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


def _hook(setup: Setup) -> Verdict:
    if setup.repository is None or not setup.patterns:
        return None
    state = hooks.state(setup.repository.hooks_dir, hooks.command(sys.executable))
    if state in (HookState.OURS, HookState.THEIRS):
        return None
    hint = "Run `git theta install`: it says what to add where it cannot." if not state.editable else ""
    text = f"the {hooks.NAME} hook in {setup.repository.hooks_dir} {state.value}, so pushes upload no objects"
    if state is HookState.OUTDATED:
        return (
            "note",
            f"the {hooks.NAME} hook in {setup.repository.hooks_dir} {state.value}",
            "Run `git theta install`.",
        )
    return "problem", text, hint or "Run `git theta install`."


def _manifests(setup: Setup) -> Verdict:
    paths = setup.named([file.path for file in setup.within(State.MANIFEST, State.MISSING)])
    return ("problem", f"manifests stand in the worktree: {paths}", "Run `git theta checkout`.") if paths else None


def _raw(setup: Setup) -> Verdict:
    files = setup.within(State.RAW)
    text = f"tracked, but not committed by git-theta: {setup.named([file.path for file in files])}"
    again = "`git add --renormalize` and a commit store them by parameters."
    return ("problem", text, "\n".join(dict.fromkeys(file.hint or again for file in files))) if files else None


def _untracked(setup: Setup) -> Verdict:
    paths = untracked_manifests(setup.repository) if setup.repository else []
    text = f"manifests in the index that no pattern tracks: {setup.named(paths)}"
    hint = "Commit the .gitattributes that tracks them, or write it: git theta track. Then: git theta checkout"
    return ("problem", text, hint) if paths else None


def _store(setup: Setup) -> Verdict:
    if setup.repository is None:
        return None
    theta = setup.repository.theta_dir
    for folder in (theta / "objects", theta / "tmp", theta, setup.repository.common_dir):
        if os.path.lexists(folder):
            try:
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                return "problem", f"cannot write to {folder}: {error.strerror}", "Check its owner and permissions."
    return None


def _alternates(setup: Setup) -> Verdict:
    found = setup.repository.alternates() if setup.repository else []
    dead = [os.fspath(theta.parent) for theta in found if not theta.parent.is_dir()]
    hint = "This clone borrows objects from it: bring it back, or clone anew without --shared and --reference."
    return ("problem", f"gone: {', '.join(dead)}", hint) if dead else None


def _weights(setup: Setup) -> Verdict:
    found = weight_checks.alike([file.path for file in setup.files if file.manifest], warn)
    hint = "A run that did not train looks like this; so do a squash merge, and a file that was copied from a branch."
    return ("note", "; ".join(found), hint) if found else None


def _values(setup: Setup) -> Verdict:
    found = weight_checks.broken(setup.repository, warn) if setup.repository else []
    return ("problem", "; ".join(found), "See each parameter: git theta diff HEAD^ HEAD") if found else None


def _plugins(_: Setup) -> Verdict:
    for family in get_args(registry.Family):
        try:
            registry.installed(family)
        except PluginError as error:
            return "problem", error.message, error.hint
    return None


def _lfs(_: Setup) -> Verdict:
    if program_version("git", "lfs", "version"):
        return None
    return "note", "git-lfs is not installed; files that other people track with it need it", ""


CHECKS: dict[str, Callable[[Setup], Verdict]] = {
    "git": _git,
    "filter": _filter,
    "drivers": _drivers,
    "pre-push hook": _hook,
    "worktree": _manifests,
    "index": _raw,
    "patterns": _untracked,
    "store": _store,
    "alternates": _alternates,
    "weights": _weights,
    "plug-ins": _plugins,
    "git-lfs": _lfs,
}
READING: dict[str, Callable[[Setup], Verdict]] = {"values": _values}
"""The checks that read tensors."""
_ANYWHERE = {"git", "filter", "drivers", "plug-ins", "git-lfs"}
"""The checks that need no repository."""
