"""Everything that can go wrong, as one tree.

::

    ThetaError                 exit 1   anything below; what happened, where, what to do
    |-- UsageError             exit 2   the command line or a file the user wrote is wrong
    |-- MissingObject          exit 3   an object is in no store we can reach
    |-- CorruptObject          exit 4   bytes that do not hash to their name
    |-- ManifestError          exit 5   text that should be a manifest and is not a valid one
    |   `-- NewerManifest      exit 5   a manifest of a version that this release cannot read
    |-- StoreError             exit 6   the store cannot be written: full, read-only, not permitted
    |-- GitError               exit 7   git answered with an error
    |   `-- BranchMoved        exit 7   a branch is not where a commit was to be put on top
    |-- PluginError            exit 8   a plug-in is missing, broken, disabled or ambiguous
    |   `-- NewerPlugin        exit 8   a plug-in is written for a later release
    |-- TransportError         exit 9   objects could not be moved to or from a remote
    |-- ChangedFile            exit 10  a file changed while it was being read
    |-- FormatError            exit 11  a file is not what a format expects (the file is then kept opaque)
    |-- ConflictError          exit 12  a parameter that a strategy cannot merge: a person must decide
    `-- EvaluationError        exit 13  an evaluator failed, or said what is no score

The numbers are part of the command line's contract (docs/reference/exit-codes.md); a number is never reused.
"""

from __future__ import annotations

import errno

_REMEDIES = {
    errno.ENOSPC: "Free some space where the repository is, or temporary files ($TMPDIR), and repeat the command.",
    errno.EDQUOT: "The quota is used up: free some space and repeat the command.",
    errno.EROFS: "The file system is read-only.",
    errno.EACCES: "Check its owner and permissions.",
    errno.EPERM: "Check its owner and permissions.",
}


def suggest_remedy(error: OSError) -> str:
    """A hint for what the system refused; "" where there is none."""
    return _REMEDIES.get(error.errno or 0, "")


class ThetaError(Exception):
    """Something went wrong. ``str(error)`` says what; ``hint`` says what to do.

    Args:
        message: one sentence: what happened.
        hint: what the person can do about it; empty where nothing helps.
        path: the file it happened to, as Git names it.
        parameter: the parameter it happened to.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", path: str = "", parameter: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path = path
        self.parameter = parameter

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.path, self.parameter) if part)
        return f"{where}: {self.message}" if where else self.message

    def add_location(self, *, path: str = "", parameter: str = "") -> ThetaError:
        """Name the place, where the code that raised could not know it; returns self for ``raise``."""
        self.path = self.path or path
        self.parameter = self.parameter or parameter
        return self


class UsageError(ThetaError):
    """The command line, or a file the person wrote, is wrong."""

    exit_code = 2


class MissingObject(ThetaError):
    """An object is in no store that we can reach."""

    exit_code = 3


class CorruptObject(ThetaError):
    """Stored bytes are not what their name says."""

    exit_code = 4


class ManifestError(ThetaError):
    """A text that should be a manifest and is not a valid one."""

    exit_code = 5


class NewerManifest(ManifestError):
    """A manifest of a version that this release cannot read."""


class StoreError(ThetaError):
    """The store or the worktree cannot be written."""

    exit_code = 6


class GitError(ThetaError):
    """Git answered with an error."""

    exit_code = 7


class BranchMoved(GitError):
    """A branch is not where it was expected: somebody else committed to it. What they committed is still there."""


class PluginError(ThetaError):
    """A plug-in is missing, broken or ambiguous."""

    exit_code = 8


class NewerPlugin(PluginError):
    """A plug-in that is written for the seams of a later release."""


class TransportError(ThetaError):
    """Objects could not be moved to or from a remote."""

    exit_code = 9


class ChangedFile(ThetaError):
    """A file changed while it was being read."""

    exit_code = 10


class FormatError(ThetaError):
    """A file is not what a format expects."""

    exit_code = 11


class ConflictError(ThetaError):
    """A contested parameter that a strategy cannot merge: a person must decide."""

    exit_code = 12


class EvaluationError(ThetaError):
    """An evaluator failed, or said what is no score."""

    exit_code = 13
