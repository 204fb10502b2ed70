"""Files that a person names for pages, pictures and reports."""

from __future__ import annotations

from pathlib import Path

from git_theta.errors import UsageError


def require_writable(*files: Path | None) -> None:
    """Raise UsageError for a file that could not be written, before the work is done that it is about."""
    for file in files:
        if file and (not file.absolute().parent.is_dir() or file.is_dir()):
            raise UsageError("cannot be written there", hint="Name a file in a folder that is there.", path=str(file))
