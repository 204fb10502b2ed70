"""Whether the weights of branches look as if something had gone wrong."""

from __future__ import annotations

from git_theta.cli.boundary import warn
from git_theta.cli.checks.checked_setup import CheckResult, Setup
from git_theta.repository.history import weight_checks


def check_weights(setup: Setup) -> CheckResult:
    """Whether branches have the same weights."""
    found = weight_checks.find_same_weights([file.path for file in setup.files if file.manifest], warn)
    hint = "A run that did not train looks like this; so do a squash merge, and a file that was copied from a branch."
    return ("note", "; ".join(found), hint) if found else None


def check_values(setup: Setup) -> CheckResult:
    """Whether HEAD brought NaN or infinite values."""
    found = weight_checks.find_broken_values(setup.repository, warn) if setup.repository else []
    return ("problem", "; ".join(found), "See each parameter: git theta diff HEAD^ HEAD") if found else None
