"""``--report FILE``: what a merge did, in a file for people or for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from git_theta.cli.output_files import require_writable
from git_theta.errors import UsageError
from git_theta.operations.merging.merge_report import Record, as_json
from git_theta.operations.merging.report_markdown import as_markdown
from git_theta.vcs import atomic

_RENDERERS = {".md": as_markdown, ".json": as_json}


def check_report_file(file: Path) -> None:
    """Raise UsageError where a report could not be written, before the work is done that it is about."""
    if file.suffix not in _RENDERERS:
        raise UsageError("a report is .md or .json", hint="Name such a file.", path=str(file))
    require_writable(file)
    atomic.read_file(file)


def write_report(file: Path, records: Sequence[Record], *, evaluated: bool = False) -> None:
    """Write the report, in place of what is there. ``evaluated``: whether an evaluator has seen the merge."""
    atomic.replace_file(file, _RENDERERS[file.suffix](records, evaluated=evaluated).encode())
