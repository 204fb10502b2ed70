"""Files that Git has smudged, and that nobody reads.

Before Git runs a diff driver, it puts both versions into temporary files. Our driver reads the blobs whose ids it is
given instead. So where Git is about to call it, the temporary files may hold anything.
"""

from __future__ import annotations

from functools import cache

from git_theta.errors import GitError
from git_theta.vcs import config
from git_theta.vcs.callers.parent_diff import shows_differences
from git_theta.vcs.git import git
from git_theta.vcs.remembered_settings import match_settings

_DIFF_KEYS = r"^diff\.theta\.(command|textconv)$"


def is_smudge_unused(path: str) -> bool:
    """Whether what our parent has smudged for a path (from the top, where we run) is for our own driver alone."""
    return _only_driver_reads() and _driver_of(path) == b"theta"


@cache
def _only_driver_reads() -> bool:
    """A textconv that a person has set beside our driver runs where no driver does, on the files."""
    if not shows_differences():
        return False
    try:
        settings = dict(match_settings(_DIFF_KEYS))
    except GitError:  # no configuration that can be read
        return False
    return settings.keys() == {config.DIFF_KEY} and config.Setting(config.DIFF_KEY, settings[config.DIFF_KEY]).is_ours


@cache
def _driver_of(path: str) -> bytes:
    return git("check-attr", "-z", "diff", "--", path).split(b"\0")[2]
