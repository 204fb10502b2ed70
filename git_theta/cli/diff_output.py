"""Reports and remarks as text, statistics, names or JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence

from git_theta.diffing.base import Report
from git_theta.repository.comparing.changed_files import Remark
from git_theta.words import escape_unprintable

_PIPE_WIDTH = 160
"""Columns where there is no terminal: enough for most names as they are."""
_DEFAULT_WIDTH = 80
"""Of a terminal that does not know how wide it is."""


def terminal_width() -> int:
    """Columns to fill; Git tells programs behind its pager (COLUMNS)."""
    said = os.environ.get("COLUMNS", "")
    if said.isdigit() and int(said):
        return int(said)
    return os.get_terminal_size().columns or _DEFAULT_WIDTH if sys.stdout.isatty() else _PIPE_WIDTH


def format_stat(reports: Sequence[Report], remarks: Iterable[Remark], *, color: bool) -> str:
    """Bytes stored for each parameter; the remarks on files that have no parameters to show."""
    from git_theta.diffing.render import stat as form

    lines = [
        f" {escape_unprintable(remark.paths[1])}: {'; '.join(map(escape_unprintable, remark.lines))}\n"
        for remark in remarks
    ]
    return form.render_stat(reports, color=color, width=terminal_width()) + "".join(lines)


def format_names(reports: Sequence[Report], remarks: Iterable[Remark]) -> str:
    """Paths and names of parameters; of files that have none to show, the paths."""
    from git_theta.diffing.render import stat as form

    said = form.render_names(reports)
    known = {line.partition("\t")[0] for line in said.splitlines()}
    others = dict.fromkeys(escape_unprintable(remark.paths[1]) for remark in remarks)
    return said + "".join(f"{path}\n" for path in others if path not in known)


def format_json(reports: Iterable[Report], remarks: Iterable[Remark]) -> str:
    """As docs/spec/diff.schema.json has it."""
    from git_theta.diffing.render.report_json import render_json

    said = [{"before": one.paths[0], "after": one.paths[1], "lines": list(one.lines)} for one in remarks]
    return json.dumps(render_json(reports) | {"remarks": said}, indent=2, allow_nan=False) + "\n"


def format_diffs(reports: Iterable[Report], remarks: Sequence[Remark], *, color: bool) -> Iterator[str]:
    """The text of each report with the remarks on its files, then what other remarks there are."""
    from git_theta.diffing.render.colors import choose_palette, paint
    from git_theta.diffing.render.report_text import render_report

    def meta(line: str) -> str:
        return paint(escape_unprintable(line), choose_palette(color).meta) + "\n"

    left = list(remarks)
    for report in reports:
        paths = {shard.path for shard in (*report.comparison.before, *report.comparison.after)}
        own = [remark for remark in left if paths & set(remark.paths)]
        head, newline, rest = render_report(report, color=color, width=terminal_width()).partition("\n")
        if newline:
            left = [remark for remark in left if remark not in own]
            yield "".join([f"{head}\n", *(meta(line) for remark in own for line in remark.lines), rest])
    for remark in left:
        old, new = remark.paths
        yield "".join(map(meta, (f"diff --theta a/{old} b/{new}", *remark.lines)))
