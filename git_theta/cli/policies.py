"""The merge policy that holds here: what the command line, the repository and Git's configuration say, put together."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from git_theta.errors import GitError
from git_theta.merging.policy import Policy, Rule, everywhere, for_parameters, layered
from git_theta.merging.policy_file import FILE, parse
from git_theta.operations.merge import Settings
from git_theta.vcs.git import blob, git

HANDED = "GIT_THETA_MERGE"
"""How `git theta merge` hands its options to the driver, which Git's own -X does not reach: JSON of ``handed``."""
STRATEGY = "GIT_THETA_STRATEGY"
"""A strategy for whatever is contested, for people who cannot pass options: `GIT_THETA_STRATEGY=average git pull`."""
KEYS = ("theta.merge.strategy", "theta.merge.option")
"""Git's configuration of the same, which lasts."""


def handed(
    strategy: str,
    options: Sequence[str],
    rules: Sequence[str],
    settings: Settings,
    report: Path | None = None,
    *,
    measure: bool = False,
) -> str:
    """What a `git theta merge` hands on; as text for the environment.

    Args:
        strategy: what `-s` says.
        options: what `-o` says.
        rules: what `--for` says.
        settings: how to compute.
        report: a file in which the driver is to tell what it did.
        measure: whether to tell how far the changes of contested parameters agree too.
    """
    said = {"strategy": strategy, "options": list(options), "for": list(rules), "settings": settings._asdict()}
    return json.dumps(said | {"report": os.fspath(report) if report else None, "measure": measure})


def command_line_rules() -> list[Rule]:
    """The rules that `git theta merge` handed on: `--for` in order, then `-s`. Raises UsageError for what is none."""
    return _command_line(json.loads(os.environ.get(HANDED, "{}")))


def settings_in_force() -> Settings:
    """What `git theta merge` handed on about how to compute, or the defaults."""
    said = json.loads(os.environ.get(HANDED, "{}")).get("settings", {})
    weights = said.get("weights")
    return Settings(tuple(weights) if weights else None, said.get("seed", 0), said.get("device", "cpu"))


def policy_for(path: str, worktree: Path | None) -> Policy:
    """The policy for one file, in the order of precedence. Raises UsageError saying which source is wrong."""
    tracked = blob(f"HEAD:{FILE}", cwd=worktree)
    chosen = os.environ.get(STRATEGY, "")
    return layered(
        command_line=command_line_rules(),
        file=parse(tracked) if tracked else (),
        attributes={path: _attribute(path, worktree)},
        environment=[everywhere(chosen, origin=STRATEGY)] if chosen else (),
        config=_config(worktree),
    )


def _command_line(said: dict[str, object]) -> list[Rule]:
    rules = said.get("for", [])
    options = said.get("options", [])
    strategy = said.get("strategy", "")
    assert isinstance(rules, list) and isinstance(options, list) and isinstance(strategy, str)
    found = [for_parameters(rule) for rule in rules]
    return [*found, everywhere(strategy, options, origin="-s")] if strategy or options else found


def _attribute(path: str, worktree: Path | None) -> str:
    answer = git("check-attr", "-z", "theta-merge", "--", path, cwd=worktree)
    return os.fsdecode(answer.split(b"\0")[2])


def _config(worktree: Path | None) -> list[Rule]:
    strategy, options = (configured(key, worktree) for key in KEYS)
    if not strategy and not options:
        return []
    return [everywhere(strategy[-1] if strategy else "", options, origin="theta.merge.strategy")]


def configured(key: str, worktree: Path | None = None) -> list[str]:
    """All values of one key of Git's configuration, in order; none where it is not set."""
    try:
        return os.fsdecode(git("config", "-z", "--get-all", key, cwd=worktree)).split("\0")[:-1]
    except GitError:  # not set
        return []
