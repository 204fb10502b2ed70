"""Whether objects can be kept here, as the configuration says, and those that this clone borrows are there."""

from __future__ import annotations

import os
import tempfile

from git_theta.cli.checks.checked_setup import CheckResult, Setup
from git_theta.errors import suggest_remedy
from git_theta.repository.stores.object_stores import open_store
from git_theta.repository.stores.storage_preferences import read_preferences
from git_theta.vcs.alternates import alternates_of


def check_store(setup: Setup) -> CheckResult:
    """Whether the store opens, and its folders can be written to."""
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
                hint = suggest_remedy(error) or "Check what stands there, its owner and permissions."
                return "problem", f"cannot write to {folder}: {error.strerror}", hint
    return None


def check_storage(_: Setup) -> CheckResult:
    """Whether what is chosen to store new tensors with is installed."""
    read_preferences(None)  # raises what would stop whatever stores something new, and nothing before
    return None


def check_alternates(setup: Setup) -> CheckResult:
    """Whether the clones are there that this one borrows from."""
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
