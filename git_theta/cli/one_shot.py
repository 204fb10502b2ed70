"""One file through clean or smudge, for Git clients that do not speak the process protocol.

``filter.theta.clean`` and ``filter.theta.smudge`` run this as ``one_shot clean|smudge PATH``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from itertools import chain

from git_theta.cli import boundary
from git_theta.cli.filter_cleaning import read_cleaning, require_encoding, require_whole_file, warn_if_contested
from git_theta.cli.filter_process import is_smudge_skipped, prepare_filter
from git_theta.cli.git_output import Buffer, claim_stdout, write_pieces
from git_theta.cli.push_warning import warn_of_pushes
from git_theta.errors import ThetaError, UsageError
from git_theta.manifest.text import is_manifest
from git_theta.operations.adding.clean import clean_pieces
from git_theta.operations.context import Context
from git_theta.operations.restoring.smudge import smudge_stream
from git_theta.operations.streams import Stream
from git_theta.repository.setup.hook_placing import ensure_hooks
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.callers.parent_checkout import takes_file_away
from git_theta.vcs.callers.parent_cleaning import is_recording, may_clean_stdin
from git_theta.vcs.callers.unused_smudge import is_smudge_unused
from git_theta.vcs.discovery import Repository, discover_at_top


def main() -> int:
    """Filter standard input to standard output."""
    output = claim_stdout()
    if len(sys.argv) != 3 or sys.argv[1] not in ("clean", "smudge"):
        raise UsageError("usage: python -m git_theta.cli.one_shot clean|smudge PATH", hint="Git runs this, not people.")
    verb, path = sys.argv[1:]
    settings = prepare_filter()
    repository = discover_at_top(settings)
    ensure_hooks(repository)
    stream = Stream(lambda view: os.readv(0, [view]))
    with open_context(repository, boundary.warn, settings=settings) as context:
        try:
            if verb == "clean":
                write_pieces(output, _clean_file(stream, path, repository, context))
            else:
                write_pieces(output, _smudge_file(stream, path, context))
        except ThetaError as error:
            raise error.add_location(path=path) from error.__cause__
    return 0


def _clean_file(stream: Stream, path: str, repository: Repository, context: Context) -> Iterable[Buffer]:
    """What Git is to hold for a file; what is wrong with it is told before any of it."""
    asked = read_cleaning()
    if asked.records:
        require_encoding(repository, path)
    worktree = None if may_clean_stdin() else repository.worktree
    pieces = clean_pieces(stream, path, worktree, context, asked)
    first = next(pieces, b"")
    if asked.records:
        require_whole_file(repository, path, bytes(first))
    warn_if_contested(repository, path, bytes(first))
    if is_manifest(bytes(first)) and is_recording():
        warn_of_pushes(repository)
    return chain([first], pieces)


def _smudge_file(stream: Stream, path: str, context: Context) -> Iterable[Buffer]:
    """What the worktree is to have for what Git holds."""
    if is_smudge_skipped() or is_smudge_unused(path):
        return stream.take_rest()
    return smudge_stream(stream, path, context, must_answer=takes_file_away()).pieces


if __name__ == "__main__":
    boundary.run_process(lambda: boundary.run(main))
