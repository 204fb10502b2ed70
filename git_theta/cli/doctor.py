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
from typing import Literal

import click

from git_theta.cli.boundary import say_hint, warn
from git_theta.cli.env import program_version
from git_theta.cli.listing import display_path, echo_json, echo_line, json_option
from git_theta.cli.manual_lookup import find_manual_fault
from git_theta.cli.plugins import IDLE_HINT
from git_theta.errors import ThetaError
from git_theta.operations.keeping.file_states import FileState, TrackedFile, survey_file
from git_theta.repository.comparing.chosen_measures import choose_measures
from git_theta.repository.comparing.index_checks import FAULT_HINT, faults_of_index
from git_theta.repository.history import weight_checks
from git_theta.repository.index.chosen_formats import find_unlike_layouts
from git_theta.repository.index.tracked_files import find_case_misses, find_untracked_manifests, list_tracked
from git_theta.repository.setup.needed_plugins import find_needs
from git_theta.repository.setup.plugin_survey import describe_idle_words, survey_plugins
from git_theta.repository.stores.object_stores import open_store
from git_theta.repository.stores.remote_transports import remotes_through_lfs
from git_theta.repository.stores.storage_preferences import read_preferences
from git_theta.transport.choose import name_remote
from git_theta.transport.lfs.git_lfs import GIT_LFS_HINT
from git_theta.vcs import attributes, config, hooks
from git_theta.vcs.alternates import alternates_of
from git_theta.vcs.attribute_conversions import find_conversions
from git_theta.vcs.discovery import Repository, find_repository
from git_theta.vcs.hook_managers import find_push_hook
from git_theta.vcs.hooks import HookState
from git_theta.vcs.nearby_attributes import ENCODING
from git_theta.words import join_some, list_some

_OLDEST_GIT = (2, 34)
_MAX_NAMED = 3  # paths named in a finding


@dataclass(frozen=True)
class Finding:
    """The result of one check. ``note``: nothing is wrong, but worth knowing."""

    check: str
    state: Literal["ok", "note", "problem"]
    text: str
    hint: str = ""


CheckResult = tuple[Literal["note", "problem"], str, str] | None
"""None when all is well; else (state, text, hint)."""


class Setup:
    """What the checks look at."""

    @cached_property
    def repository(self) -> Repository | None:
        return find_repository()

    @cached_property
    def patterns(self) -> list[str]:
        """Patterns that are tracked here."""
        return [one.pattern for one in attributes.tracked_patterns(self.repository)] if self.repository else []

    @cached_property
    def files(self) -> list[TrackedFile]:
        """Files that are tracked here."""
        return list_tracked(self.repository) if self.repository and self.repository.worktree else []

    def files_in(self, *states: FileState) -> list[TrackedFile]:
        """The tracked files in one of these states."""
        if self.repository is None or self.repository.worktree is None:
            return []
        top, store = self.repository.worktree, open_store(self.repository)
        return [file for file in self.files if survey_file(file, top, store).state in states]

    def list_paths(self, paths: Sequence[str]) -> str:
        """Paths of the worktree as an enumeration; "" for none."""
        if self.repository is None or self.repository.worktree is None:
            return ""
        names = [shlex.quote(display_path(path, self.repository.worktree)) for path in paths[:_MAX_NAMED]]
        return ", ".join(names) + (f" and {len(paths) - _MAX_NAMED} more" if len(paths) > _MAX_NAMED else "")


@click.command
@click.option("--values", is_flag=True, help="Look for NaN and infinite values that HEAD brought, too.")
@json_option
def command(values: bool, as_json: bool) -> int:
    """Find and explain what is wrong with a setup.

    Checks Git, the filter, the hook, the store, the plug-ins and the tracked files of the repository you are in, and
    whether branches have the same weights where they should not. Exits 1 when there is a problem.
    """
    findings = run_checks(Setup(), values=values)
    if as_json:
        echo_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            echo_line(f"{finding.state}: {finding.check}{': ' if finding.text else ''}{finding.text}")
            say_hint(finding.hint)
    return int(any(finding.state == "problem" for finding in findings))


def run_checks(setup: Setup, *, values: bool = False) -> list[Finding]:
    """The findings of all checks, in order; ``values``: those too that read tensors."""
    checks = CHECKS | (VALUE_CHECKS if values else {})
    return [_run_check(name, check, setup) for name, check in checks.items()]


def _run_check(name: str, check: Callable[[Setup], CheckResult], setup: Setup) -> Finding:
    if setup.repository is None and name not in _ANYWHERE_CHECKS:
        return Finding(name, "note", "not checked: not in a Git repository")
    try:
        verdict = check(setup)
    except ThetaError as error:  # whatever is broken, the other checks say what else is
        return Finding(name, "problem", str(error), error.hint)
    return Finding(name, *verdict) if verdict else Finding(name, "ok", "")


def _check_git(_: Setup) -> CheckResult:
    words = program_version("git", "--version") or ""
    numbers = re.search(r"(\d+)\.(\d+)", words)
    if numbers and (int(numbers[1]), int(numbers[2])) >= _OLDEST_GIT:
        return None
    return "problem", f"{words or 'git'} is older than {'.'.join(map(str, _OLDEST_GIT))}", "Upgrade git."


def _check_filter(setup: Setup) -> CheckResult:
    active = config.active_settings()
    process = active.get("filter.theta.process", "")
    if not config.is_installed():
        what = "Git stores the files tracked here as they are" if setup.patterns else "nothing is versioned"
        return "problem", f"filter.theta is not installed, so {what}", "Run `git theta install`."
    if active.get("filter.theta.required") != "true":
        text = "filter.theta.required is not true, so a file whose filter fails is committed as it is"
        return "problem", text, "Run `git theta install`."
    return _check_interpreter(shlex.split(process)[0])


def _check_drivers(_: Setup) -> CheckResult:
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


def _check_hook(setup: Setup) -> CheckResult:
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


def _check_worktree(setup: Setup) -> CheckResult:
    paths = setup.list_paths([file.path for file in setup.files_in(FileState.MANIFEST, FileState.MISSING)])
    return ("problem", f"manifests stand in the worktree: {paths}", "Run `git theta checkout`.") if paths else None


def _check_index(setup: Setup) -> CheckResult:
    files = setup.files_in(FileState.RAW)
    if not files or setup.repository is None or setup.repository.worktree is None:
        return None
    top = setup.repository.worktree
    text = f"tracked, but not committed by git-theta: {setup.list_paths([file.path for file in files])}"
    paths = " ".join(shlex.quote(display_path(file.path, top)) for file in files if not file.hint)
    again = f"To store them by parameters, and then commit: git add --renormalize -- {paths}"
    return "problem", text, "\n".join(dict.fromkeys(file.hint or again for file in files))


def _check_patterns(setup: Setup) -> CheckResult:
    paths = find_untracked_manifests(setup.repository) if setup.repository else []
    text = f"manifests in the index that no pattern tracks: {setup.list_paths(paths)}"
    hint = "Commit the .gitattributes that tracks them, or write it: git theta track. Then: git theta checkout"
    if paths:
        return "problem", text, hint
    missed = find_case_misses(setup.repository) if setup.repository and setup.repository.worktree else []
    text = f"not tracked, as patterns tell upper from lower case: {setup.list_paths(missed)}"
    return ("note", text, "Track their ending, too: git theta track") if missed else None


def _check_layouts(setup: Setup) -> CheckResult:
    """Whether files are laid out by the formats that attributes choose for them."""
    unlike = find_unlike_layouts(setup.files, setup.repository) if setup.repository else []
    if not unlike:
        return None
    again = f"git theta relayout {setup.list_paths([one.path for one in unlike])}"
    hints = dict.fromkeys(
        one.hint or f"They stay as they are until somebody lays them out anew: {again}" for one in unlike
    )
    return "note", "; ".join(list_some([one.describe() for one in unlike], _MAX_NAMED)), "\n".join(hints)


def _check_shards(setup: Setup) -> CheckResult:
    faults = faults_of_index(setup.repository) if setup.repository else []
    return ("problem", "; ".join(list_some(faults)), FAULT_HINT) if faults else None


def _check_conversions(setup: Setup) -> CheckResult:
    """Whether Git converts line ends, encodings or `$Id$` of tracked files, which is to say, of manifests."""
    if setup.repository is None or setup.repository.worktree is None:
        return None
    found = find_conversions([file.path for file in setup.files], setup.repository)
    if not found:
        return None
    by_rule: dict[str, list[str]] = {}
    for one in found:
        place = one.file or ("the configuration" if one.attribute.startswith("core.") else "attributes of your own")
        by_rule.setdefault(f"{one.attribute} ({place})", []).append(one.path)
    text = "; ".join(f"{rule}: {setup.list_paths(paths)}" for rule, paths in by_rule.items())
    hint = f"Append to that file, for these paths: PATTERN -text -ident !{ENCODING}"
    return "problem", f"Git converts tracked files: {text}", hint


def _check_store(setup: Setup) -> CheckResult:
    if setup.repository is None:
        return None
    open_store(setup.repository)
    theta = setup.repository.theta_dir
    for folder in (theta / "objects", theta / "tmp", theta, setup.repository.common_dir):
        if os.path.lexists(folder):
            try:
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                return "problem", f"cannot write to {folder}: {error.strerror}", "Check its owner and permissions."
    return None


def _check_storage(_: Setup) -> CheckResult:
    read_preferences(None)  # raises what would stop whatever stores something new, and nothing before
    return None


def _check_measures(_: Setup) -> CheckResult:
    choose_measures()  # raises what would stop every `git diff`
    return None


def _check_alternates(setup: Setup) -> CheckResult:
    if setup.repository is None:
        return None
    borrowed = alternates_of(setup.repository)
    gone = [os.fspath(objects.parent) for objects in borrowed.missing]
    if gone:
        hint = "This clone borrows objects from it: bring it back, or clone anew without --shared and --reference."
        return "problem", f"gone: {', '.join(gone)}", hint
    if borrowed.ignored:
        text = f"borrowed through too many others for Git to look: {', '.join(map(os.fspath, borrowed.ignored))}"
        return "problem", text, "Clone anew from it, or name it: .git/objects/info/alternates"
    return None


def _check_weights(setup: Setup) -> CheckResult:
    found = weight_checks.find_same_weights([file.path for file in setup.files if file.manifest], warn)
    hint = "A run that did not train looks like this; so do a squash merge, and a file that was copied from a branch."
    return ("note", "; ".join(found), hint) if found else None


def _check_values(setup: Setup) -> CheckResult:
    found = weight_checks.find_broken_values(setup.repository, warn) if setup.repository else []
    return ("problem", "; ".join(found), "See each parameter: git theta diff HEAD^ HEAD") if found else None


def _check_plugins(_: Setup) -> CheckResult:
    """Whether the filter can use all that is installed: each is imported as the filter would."""
    rows = survey_plugins()
    at_fault = [row for row in rows if row.state not in ("ok", "disabled")]
    idle = describe_idle_words(rows)
    hints = [IDLE_HINT] if idle else []
    if at_fault:
        told = [f"{row.family} {row.name}: {row.reason}" for row in at_fault]
        return "problem", "; ".join([*told, *idle]), "\n".join(dict.fromkeys([*(row.hint for row in at_fault), *hints]))
    disabled = [f"{row.family}:{row.name}" for row in rows if row.state == "disabled"]
    told = [f"disabled: {join_some(disabled, _MAX_NAMED)}"] if disabled else []
    return ("note", "; ".join([*told, *idle]), "".join(hints)) if told or idle else None


def _check_needed(setup: Setup) -> CheckResult:
    """Whether the plug-ins are here that the files of the index, and the policies for them, name."""
    if setup.repository is None or setup.repository.worktree is None:
        return None
    needs = find_needs(setup.files, setup.repository.worktree)
    if not needs:
        return None
    spelled = [
        f"{need.problem} (needed by {join_some(need.by, _MAX_NAMED)})" if need.by else need.problem for need in needs
    ]
    state: Literal["note", "problem"] = "problem" if any(need.is_vital for need in needs) else "note"
    return state, "; ".join(spelled), "\n".join(dict.fromkeys(need.hint for need in needs))


def _check_lfs(setup: Setup) -> CheckResult:
    if program_version("git", "lfs", "version"):
        return None
    waiting = remotes_through_lfs() if setup.repository else []
    if waiting:
        text = f"git-lfs is not installed, and objects of these remotes need it: {join_some(waiting, _MAX_NAMED)}"
        return "problem", text, name_remote(GIT_LFS_HINT, waiting[0])
    return "note", "git-lfs is not installed; files that other people track with it need it", ""


def _check_manual(_: Setup) -> CheckResult:
    fault = find_manual_fault()
    return ("note", fault.text, fault.hint) if fault else None


CHECKS: dict[str, Callable[[Setup], CheckResult]] = {
    "git": _check_git,
    "filter": _check_filter,
    "drivers": _check_drivers,
    "pre-push hook": _check_hook,
    "worktree": _check_worktree,
    "index": _check_index,
    "patterns": _check_patterns,
    "layouts": _check_layouts,
    "shards": _check_shards,
    "conversions": _check_conversions,
    "store": _check_store,
    "storage": _check_storage,
    "measures": _check_measures,
    "alternates": _check_alternates,
    "weights": _check_weights,
    "plug-ins": _check_plugins,
    "needed plug-ins": _check_needed,
    "git-lfs": _check_lfs,
    "manual page": _check_manual,
}
VALUE_CHECKS: dict[str, Callable[[Setup], CheckResult]] = {"values": _check_values}
"""The checks that read tensors."""
_ANYWHERE_CHECKS = {"git", "filter", "drivers", "storage", "measures", "plug-ins", "git-lfs", "manual page"}
"""The checks that need no repository."""
