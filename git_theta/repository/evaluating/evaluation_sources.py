"""Where evaluations are defined: the tracked file of the project, and Git's configuration of the person."""

from __future__ import annotations

import re

from git_theta.evaluation.definitions import (
    DEFINITIONS_FILE,
    EvaluationDefinition,
    is_evaluation_name,
    parse_definitions,
)
from git_theta.tracked_toml import SIZE_LIMIT
from git_theta.vcs import atomic
from git_theta.vcs.blobs import read_small_blob
from git_theta.vcs.discovery import Repository
from git_theta.vcs.remembered_settings import match_settings

SETTINGS_PREFIX = "theta.eval."
"""Of the keys in Git's configuration: ``theta.eval.NAME.KEY``."""
_KEY = re.compile(r"theta\.eval\.(?P<name>[^.\n]+)\.(?P<key>[a-z]+)")


def read_definitions(repository: Repository, revision: str) -> dict[str, EvaluationDefinition]:
    """What the tracked file defines, by name.

    Args:
        repository: the one to look in.
        revision: whose file counts; "" for that of the worktree, and HEAD's where there is no worktree.

    Raises UsageError for a file that says what cannot be.
    """
    if not revision and repository.worktree:
        content: bytes | None = atomic.read_file(repository.worktree / DEFINITIONS_FILE, most=SIZE_LIMIT + 1)
    else:
        content = read_small_blob(f"{revision or 'HEAD'}:{DEFINITIONS_FILE}", SIZE_LIMIT, repository.home)
    return parse_definitions(content) if content else {}


def read_settings(repository: Repository) -> dict[str, dict[str, str]]:
    """What Git's configuration says of each evaluation: name -> key -> value, the one that counts."""
    found: dict[str, dict[str, str]] = {}
    for key, value in match_settings(f"^{re.escape(SETTINGS_PREFIX)}", repository.home):
        match = _KEY.fullmatch(key)
        if match and is_evaluation_name(match["name"]):
            found.setdefault(match["name"], {})[match["key"]] = value
    return found
