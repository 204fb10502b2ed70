"""What to know before it is too late: that pushes will leave behind what is stored here."""

from __future__ import annotations

from git_theta.cli import boundary
from git_theta.repository.setup.hook_placing import find_push_warning
from git_theta.vcs.discovery import Repository


def warn_of_pushes(repository: Repository) -> None:
    """Warn a person who stores something where another pre-push hook than ours is in force."""
    if found := find_push_warning(repository):
        boundary.warn(found[0], hint=found[1])
