"""What the merge driver reports to the `git theta merge` above it: JSON, a line per file that it merged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.operations.context import Context
from git_theta.operations.merging.measured_changes import NOT_MEASURED, measure_merge
from git_theta.operations.merging.merge_report import Record, record_merge
from git_theta.operations.merging.merge_results import MergeResult
from git_theta.repository.merging.policy_sources import MergeOptions


class DriverReport(NamedTuple):
    """A record per file that drivers merged, the exit code of the first that failed (0: none), and what they say."""

    records: Sequence[Record]
    failure: int
    words: Sequence[str] = ()


def report_merge(path: str, merged: MergeResult, context: Context, asked: MergeOptions) -> None:
    """Report how a file was merged, if a report was asked for."""
    if asked.report:
        measured = measure_merge(merged, context) if asked.measure else NOT_MEASURED
        _append(asked.report, record_merge(path, merged, measured))


def report_failure(code: int, asked: MergeOptions) -> None:
    """Report that an error stopped the driver: older Gits take that for a conflict."""
    if asked.report:
        _append(asked.report, {"exit": code})


def report_words(words: Sequence[str], asked: MergeOptions) -> None:
    """Report what a driver has to say, in lines."""
    _append(asked.report, {"words": list(words)})


def read_report(file: Path) -> DriverReport:
    """What drivers reported in this file."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    failures = [line["exit"] for line in lines if "exit" in line]
    words = [word for line in lines if "words" in line for word in line["words"]]
    records = [line for line in lines if "exit" not in line and "words" not in line]
    return DriverReport(records, failures[0] if failures else 0, words)


def _append(report: str, data: Record) -> None:
    with Path(report).open("a") as file:
        file.write(json.dumps(data) + "\n")
