"""``git theta merge HEAD``: Git's own merge, with our options handed to the driver and its report put to use."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from git_theta.cli import hand_back
from git_theta.cli.lineup import Request
from git_theta.cli.policies import HANDED, handed
from git_theta.cli.reports import write
from git_theta.operations.merge import Settings
from git_theta.operations.report import trailers
from git_theta.vcs import merging
from git_theta.vcs.heads import Head
from git_theta.vcs.repository import Repository


def two_way(
    head: Head, request: Request, settings: Settings, repository: Repository, *, message: str | None, commit: bool,
    report: Path | None,
) -> int:  # fmt: skip
    """Merge a head into HEAD; returns the exit code: 1 where anything is left in conflict.

    Conflicts are left as Git leaves them. After an error of the driver's the merge is given up.
    """
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "told"
        os.environ[HANDED] = handed(
            request.strategy, request.options, request.rules, settings, lines, measure=report is not None
        )
        was_under_way = merging.under_way(repository)
        code, printed = merging.run_merge(head.name, message, repository.worktree)
        told = hand_back.told(lines)
    del os.environ[HANDED]  # hooks of the commit may merge on their own account
    begun = merging.under_way(repository) and not was_under_way
    if told.failure:
        if begun:
            merging.abort(repository)
        return told.failure
    if not begun:  # fast-forward, up to date, or refused by Git
        _print(printed)
        return code
    merging.add_trailers(repository, trailers(told.records))
    if report:
        write(report, told.records)
    if code or not commit:
        _print(printed)
        return code
    return merging.commit(repository)


def _print(printed: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(printed)
