"""Our lines in Git's configuration: write them, know them again, take them out.

A value is ours when it runs one of our modules, whichever interpreter it names; anything else in its place
(git-theta 0.2 left ``git-theta-filter clean %f`` there) belongs to somebody, and is only replaced when asked to.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from git_theta.errors import GitError, UsageError
from git_theta.registered_names import DISABLE_KEY
from git_theta.vcs.git import NAMED_REPOSITORY, ask_git, git, scrubbed_environment, split_nul
from git_theta.vcs.remembered_settings import forget_settings, match_settings, parse_setting, pick_settings

Scope = Literal["global", "local", "worktree", "system"]

# Every command of ours holds this, before as after an upgrade: it is how we know one again.
_COMMAND_MARK = " -I -m git_theta."

# Of the diff section the command alone: a person may have a textconv beside it.
_KEY_PATTERN = r"^((filter|merge)\.theta\.|diff\.theta\.command$|notes\.theta/eval\.mergestrategy$)"
_REQUIRED_KEY = "filter.theta.required"
MERGE_KEY = "merge.theta.driver"
DIFF_KEY = "diff.theta.command"
STORE_KEY = "theta.store"
_USUAL_STORE = "local"
UNITE = "cat_sort_uniq"
"""The strategy by which Git merges notes whose lines are facts: all lines of both, each once."""
_NOTES = ("notes.theta/eval.mergestrategy", UNITE)
"""By which `git notes merge` unites results of evaluations, too."""
_MERGE_NAME = ("merge.theta.name", "checkpoints, parameter by parameter")


class Setting(NamedTuple):
    """One line of configuration."""

    key: str
    value: str

    @property
    def is_ours(self) -> bool:
        """Whether git-theta wrote it. ``required`` has no mark: it belongs to the commands beside it."""
        if self.key == _REQUIRED_KEY:
            return self.value == "true"
        return _COMMAND_MARK in self.value or (self.key, self.value) in (_MERGE_NAME, _NOTES)


def module_command(python: str, name: str) -> str:
    """The shell command that runs our module ``name``, isolated from PYTHONPATH and the user's site packages.

    Args:
        python: absolute path of the interpreter that has git-theta.
        name: the module, with its arguments.
    """
    return f"{shlex.quote(python)} -I -m {name}"


def our_settings(python: str) -> list[Setting]:
    """What installing writes, for the interpreter at the absolute path ``python``.

    ``required`` makes a failing filter an error rather than a silent raw commit, and lets Git stream a clean instead
    of holding the file in memory.
    """
    # Git expands % in the one-shot commands, and in those alone.
    escaped = python.replace("%", "%%")
    return [
        Setting("filter.theta.process", module_command(python, "git_theta.cli.filter_process")),
        Setting("filter.theta.clean", module_command(escaped, "git_theta.cli.one_shot clean %f")),
        Setting("filter.theta.smudge", module_command(escaped, "git_theta.cli.one_shot smudge %f")),
        Setting(_REQUIRED_KEY, "true"),
        Setting(*_MERGE_NAME),
        Setting(MERGE_KEY, module_command(escaped, "git_theta.cli.merge_driver %O %A %B %L %P %X %Y")),
        Setting(DIFF_KEY, module_command(python, "git_theta.cli.diff_driver")),
        Setting(*_NOTES),
    ]


def install_settings(python: str, scope: Scope = "global", *, force: bool = False, cwd: Path | None = None) -> bool:
    """Write our settings to a scope's configuration; returns whether anything changed.

    Raises UsageError where somebody else's filter of our name is there and ``force`` is False, GitError where Git
    cannot write that scope (outside a repository; a worktree's own without extensions.worktreeConfig).
    """
    found = read_settings(scope, cwd=cwd)
    foreign = [setting for setting in found if not setting.is_ours and setting.key != _NOTES[0]]
    if foreign and not force:
        told = "; ".join(f"{setting.key} = {setting.value}" for setting in foreign)
        raise UsageError(
            f"the {scope} configuration has another filter of the name theta: {told}",
            hint=f"`git theta install --{scope} --force` replaces it",
        )
    # How notes unite is the person's to say; it is our filter that must be ours.
    chosen = {setting.key for setting in found if setting.key == _NOTES[0]}
    wanted = [setting for setting in our_settings(python) if setting.key not in chosen]
    stale = [setting for setting in wanted if [one for one in found if one.key == setting.key] != [setting]]
    for setting in stale:
        write_setting(scope, ["--replace-all", setting.key, setting.value], cwd)
    return bool(stale)


def uninstall_settings(scope: Scope = "global", *, cwd: Path | None = None) -> list[Setting]:
    """Take our settings out of a scope's configuration, and the section with the last of them; returns them.

    Raises GitError where Git cannot write that scope.
    """
    found = read_settings(scope, cwd=cwd)
    # Somebody else's filter keeps its `required`.
    spared = [_REQUIRED_KEY] if any(not one.is_ours and one.key != _NOTES[0] for one in found) else []
    removed = [setting for setting in found if setting.is_ours and setting.key not in spared]
    for setting in dict.fromkeys(removed):
        write_setting(scope, ["--fixed-value", "--unset-all", setting.key, setting.value], cwd)
    return removed


def read_settings(scope: Scope, *, cwd: Path | None = None) -> list[Setting]:
    """What there is of the settings that installing writes, and of the same sections of filters and mergers, in one
    scope's file.

    Raises GitError where Git cannot read that scope.
    """
    with _explaining_errors():
        found = ask_git("config", "--null", f"--{scope}", "--get-regexp", _KEY_PATTERN, cwd=cwd)
    return [Setting(*parse_setting(item)) for item in split_nul(found or b"")]


def read_last_values(keys: Sequence[str], *, cwd: Path | None = None) -> dict[str, str]:
    """The values of these keys that count, of all scopes; nothing for a key that has none. Raises GitError."""
    with _explaining_errors():
        return dict(pick_settings(keys, cwd))


def active_settings(*, cwd: Path | None = None) -> dict[str, str]:
    """The settings of ours that are in force, and those of the same sections: key -> value, after all scopes.

    Raises GitError.
    """
    with _explaining_errors():
        return dict(match_settings(_KEY_PATTERN, cwd))


def is_installed(*, cwd: Path | None = None) -> bool:
    """Whether our filter is the one that Git runs here."""
    process = active_settings(cwd=cwd).get("filter.theta.process", "")
    return Setting("filter.theta.process", process).is_ours


def chosen_store() -> str:
    """The store that the configuration names; ``local`` where it names none. Raises GitError."""
    return read_last_values([STORE_KEY]).get(STORE_KEY) or _USUAL_STORE


def chosen_store_at(git_dir: Path) -> str:
    """As ``chosen_store``, of another repository than the one we were started for.

    Git reads its configuration only where it trusts its owner. Raises GitError.
    """
    command, env = ("config", "--null", "--get", STORE_KEY), scrubbed_environment()
    with _explaining_errors():
        found = ask_git(*command, cwd=git_dir, env=env, config=NAMED_REPOSITORY)
    return "".join(split_nul(found or b"")) or _USUAL_STORE


def disabled_plugins() -> list[str]:
    """What the configuration says not to use, of all scopes: NAME or FAMILY:NAME; nothing where Git cannot be asked."""
    try:
        found = pick_settings((DISABLE_KEY,))
    except (GitError, OSError):  # nothing that can be read, or no Git
        return []
    return [word for _, value in found for word in value.replace(",", " ").split()]


def filter_interpreter() -> str:
    """The Python that the installed filter runs; "" where none is installed."""
    process = active_settings().get("filter.theta.process", "")
    return shlex.split(process)[0] if Setting("filter.theta.process", process).is_ours else ""


def parse_expiry(words: str) -> int:
    """The moment that Git takes words for (``2.weeks.ago``, ``now``, ``never``), in seconds since the epoch.

    Raises UsageError where Git takes them for none.
    """
    try:
        return int(git("config", "--type=expiry-date", "--get", "gc.pruneExpire", config={"gc.pruneExpire": words}))
    except GitError:
        raise UsageError(f"{words!r} is no date", hint="Git takes, for example: now, 3.days.ago, 2026-11-01") from None


def write_setting(scope: Scope, arguments: Sequence[str], cwd: Path | None) -> None:
    """Change a scope's file, by `git config` with these arguments. Raises GitError."""
    try:
        with _explaining_errors():
            git("config", f"--{scope}", *arguments, cwd=cwd)
    finally:
        forget_settings()


@contextmanager
def _explaining_errors() -> Iterator[None]:
    """What Git says in this block is put into words of what to do."""
    try:
        yield
    except GitError as error:
        raise _explain_error(error.message) from None


def _explain_error(words: str) -> GitError:
    hint = ""
    if "worktreeconfig" in words.lower():
        hint = "`git config extensions.worktreeConfig true` gives each worktree a configuration of its own"
    said = words.removeprefix("git config failed: ").removeprefix("fatal: ")
    return GitError(said or "git config failed", hint=hint)
