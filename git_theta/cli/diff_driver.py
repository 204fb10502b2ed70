"""What ``diff.theta.command`` runs: how one checkpoint differs, for ``git diff`` and its kin.

Called as ``diff_driver PATH OLD-FILE OLD-ID OLD-MODE NEW-FILE NEW-ID NEW-MODE [NEW-PATH HEADERS]``; with the path alone
where it is in conflict. What the ids name is read from Git: the files, which Git has smudged, may hold anything
(``vcs.callers.unused_smudge``). Without an id the file is the worktree's. Any exit code but 0 makes Git stop.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from git_theta.cli import boundary
from git_theta.cli.diff_output import format_diffs, terminal_width
from git_theta.cli.git_output import claim_stdout, write_pieces
from git_theta.cli.pager import uses_color
from git_theta.cli.progress import Meter
from git_theta.operations.comparing.diff_report import build_report
from git_theta.repository.comparing.changed_files import bytes_to_measure, compare_files, read_sides
from git_theta.repository.comparing.chosen_measures import choose_measures
from git_theta.repository.comparing.moved_parameters import tell_moves
from git_theta.repository.stores.opening import open_context
from git_theta.tensors.blas import UNTHREADED
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.raw_diff import FilePair, FileVersion
from git_theta.words import escape_unprintable

_EXIT_ERROR = 128
_ABSENT = "."
_WORKTREE = "worktree"


def main() -> int:
    """Say how the file that Git names on the command line differs."""
    os.environ.setdefault(*UNTHREADED)
    color, os.environ["COLUMNS"] = uses_color("color.diff"), str(terminal_width())
    encoding, errors = sys.stdout.encoding, sys.stdout.errors or "strict"
    output = claim_stdout()
    path, *words = sys.argv[1:]
    if not words:
        write_pieces(output, [f"* Unmerged path {escape_unprintable(path)}\n".encode(encoding, errors)])
        return 0
    before = _parse_version(path, words[0:3])
    after = _parse_version(words[6] if len(words) > 6 else path, words[3:6])
    labels = tuple([_WORKTREE if one and not one.oid else "" for one in (before, after)])
    repository, meter, measures = discover_repository(), Meter(), choose_measures()
    with open_context(repository, boundary.warn, meter) as context:
        pair, top = FilePair(before, after), repository.worktree
        found = compare_files(read_sides([pair], top, context, everything=True), context)
        shown = after.path if after else path  # what Git asks about: one file, also of a checkpoint of several
        comparisons = [tell_moves(one, pair, top, context)._replace(path=shown) for one in found.comparisons]
        with meter.show_work(f"Comparing {path}", bytes_to_measure(comparisons)):
            reports = [
                build_report(one, context, labels=(labels[0], labels[1]), measures=measures) for one in comparisons
            ]
    lines = format_diffs(reports, found.remarks, color=color)
    write_pieces(output, (line.encode(encoding, errors) for line in lines))
    for remark in found.remarks:
        boundary.say_hint(remark.hint)
    return 0


def _parse_version(path: str, words: Sequence[str]) -> FileVersion | None:
    file, oid, mode = words
    if oid == _ABSENT:
        return None
    known = oid.strip("0")
    # A link of the worktree is handed to us as a temporary file: what it is called is not to be told.
    return FileVersion(
        path if known or not mode.startswith("100") else os.path.relpath(file), mode, oid if known else ""
    )


def run_driver() -> int:
    """As Git reads it."""
    code = boundary.run(main)
    return min(_EXIT_ERROR + code, 255) if code else 0


if __name__ == "__main__":
    boundary.run_process(run_driver)
