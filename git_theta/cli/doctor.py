"""``git theta doctor``: finds what is wrong with a setup, and says what to do about it."""

from __future__ import annotations

from dataclasses import asdict

import click

from git_theta.cli.boundary import say_hint
from git_theta.cli.checks import file_checks, git_checks, plugin_checks, store_checks, value_checks
from git_theta.cli.checks.checked_setup import Finding, Setup, SetupCheck
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.errors import GitError, ThetaError

CHECKS = (
    SetupCheck("git", git_checks.check_git, needs_repository=False),
    SetupCheck("filter", git_checks.check_filter, needs_repository=False),
    SetupCheck("drivers", git_checks.check_drivers, needs_repository=False),
    SetupCheck("pre-push hook", git_checks.check_hook),
    SetupCheck("merge hooks", git_checks.check_merge_hooks),
    SetupCheck("remotes", git_checks.check_remotes),
    SetupCheck("worktree", file_checks.check_worktree),
    SetupCheck("index", file_checks.check_index),
    SetupCheck("patterns", file_checks.check_patterns),
    SetupCheck("layouts", file_checks.check_layouts),
    SetupCheck("shards", file_checks.check_shards),
    SetupCheck("conversions", file_checks.check_conversions),
    SetupCheck("store", store_checks.check_store),
    SetupCheck("storage", store_checks.check_storage, needs_repository=False),
    SetupCheck("measures", plugin_checks.check_measures, needs_repository=False),
    SetupCheck("alternates", store_checks.check_alternates),
    SetupCheck("weights", value_checks.check_weights),
    SetupCheck("plug-ins", plugin_checks.check_plugins, needs_repository=False),
    SetupCheck("needed plug-ins", plugin_checks.check_needed),
    SetupCheck("git-lfs", git_checks.check_lfs, needs_repository=False),
    SetupCheck("manual page", git_checks.check_manual, needs_repository=False),
)
VALUE_CHECKS = (SetupCheck("values", value_checks.check_values),)
"""The checks that read tensors."""


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
    return [_run_check(check, setup) for check in (*CHECKS, *(VALUE_CHECKS if values else ()))]


def _run_check(check: SetupCheck, setup: Setup) -> Finding:
    if isinstance(setup.found, GitError) and check.needs_repository:
        return Finding(check.name, "note", f"not checked: {setup.found.message}")
    try:
        verdict = check.look(setup)
    except ThetaError as error:  # whatever is broken, the other checks say what else is
        return Finding(check.name, "problem", str(error), error.hint)
    return Finding(check.name, *verdict) if verdict else Finding(check.name, "ok", "")
