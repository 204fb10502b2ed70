"""What the merge driver tells the `git theta merge` above it: a line of JSON per file, in a file that both know."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from git_theta.cli.policies import HANDED
from git_theta.operations.desk import Desk
from git_theta.operations.merge import Merged
from git_theta.operations.report import Record, measured, record


class Told(NamedTuple):
    """What drivers told: a record per file that they merged, and the exit code of the first that failed (0: none)."""

    records: Sequence[Record]
    failure: int


def outcome(path: str, merged: Merged, desk: Desk) -> None:
    """Tell what became of a file, where anybody asked."""
    said = _handed()
    if said.get("report"):
        _tell(said["report"], record(path, merged, measured(desk)) if said["measure"] else record(path, merged))


def failure(code: int) -> None:
    """Tell that an error stopped the driver: older Gits take that for a conflict."""
    report = _handed().get("report")
    if report:
        _tell(report, {"exit": code})


def told(report: Path) -> Told:
    """What was told in this file."""
    lines = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
    failures = [line["exit"] for line in lines if "exit" in line]
    return Told([line for line in lines if "exit" not in line], failures[0] if failures else 0)


def _handed() -> dict[str, Any]:
    said: dict[str, Any] = json.loads(os.environ.get(HANDED, "{}"))
    return said


def _tell(report: str, data: Record) -> None:
    with Path(report).open("a") as file:
        file.write(json.dumps(data) + "\n")
