"""Whether the plug-ins work that are installed, and those are installed that the configuration and the files name."""

from __future__ import annotations

from typing import Literal

from git_theta.cli.checks.checked_setup import MAX_NAMED, CheckResult, Setup
from git_theta.cli.plugins import IDLE_HINT
from git_theta.repository.comparing.chosen_measures import choose_measures
from git_theta.repository.setup.needed_plugins import find_needs
from git_theta.repository.setup.plugin_survey import describe_idle_words, survey_plugins
from git_theta.words import join_some


def check_measures(_: Setup) -> CheckResult:
    """Whether the chosen measures are installed."""
    choose_measures()  # raises what would stop every `git diff`
    return None


def check_plugins(_: Setup) -> CheckResult:
    """Whether the filter can use all that is installed: each is imported as the filter would."""
    rows = survey_plugins()
    at_fault = [row for row in rows if row.state not in ("ok", "disabled")]
    idle = describe_idle_words(rows)
    hints = [IDLE_HINT] if idle else []
    if at_fault:
        told = [f"{row.family} {row.name}: {row.reason}" for row in at_fault]
        return "problem", "; ".join([*told, *idle]), "\n".join(dict.fromkeys([*(row.hint for row in at_fault), *hints]))
    disabled = [f"{row.family}:{row.name}" for row in rows if row.state == "disabled"]
    told = [f"disabled: {join_some(disabled, MAX_NAMED)}"] if disabled else []
    return ("note", "; ".join([*told, *idle]), "".join(hints)) if told or idle else None


def check_needed(setup: Setup) -> CheckResult:
    """Whether the plug-ins are here that the files of the index, and the policies for them, name."""
    if setup.repository is None or setup.repository.worktree is None:
        return None
    needs = find_needs(setup.files, setup.repository.worktree)
    if not needs:
        return None
    spelled = [
        f"{need.problem} (needed by {join_some(need.by, MAX_NAMED)})" if need.by else need.problem for need in needs
    ]
    state: Literal["note", "problem"] = "problem" if any(need.is_vital for need in needs) else "note"
    return state, "; ".join(spelled), "\n".join(dict.fromkeys(need.hint for need in needs))
