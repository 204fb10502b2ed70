"""Results as tables a person reads and as JSON a program reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.results import LFS, MB, MEMORY, OURS, Result

BEGIN = "<!-- benchmarks: begin; `python -m benchmarks --write-docs` writes what follows -->"
END = "<!-- benchmarks: end -->"


def markdown(results: Sequence[Result], about: Mapping[str, str]) -> str:
    """The whole report: what it was taken on, then time, memory and bytes."""
    machine = "; ".join(f"{name}: {value}" for name, value in about.items())
    notes = "Medians; a ratio is the median of the ratios in each round. ✓ and ✗ say whether a budget is met."
    tables = [("Time", times(results)), ("Peak memory", memory(results)), ("Bytes under .git", sizes(results))]
    return "\n\n".join([machine, notes, *(f"### {title}\n\n{table}" for title, table in tables)]) + "\n"


def times(results: Sequence[Result]) -> str:
    """Seconds, ratios and budgets of every step."""
    head = ["step", OURS, LFS, "bound", f"/ {LFS}", "/ bound", "budgets"]
    return _table(head, [_time_row(result) for result in results])


def _time_row(result: Result) -> list[str]:
    bound = f"{_seconds(result.median(*result.bound))} ({' + '.join(result.bound)})" if result.bound else ""
    return [
        _label(result),
        _seconds(result.median(OURS)),
        _seconds(result.median(LFS)),
        bound,
        f"{result.ratio(LFS):.2f}",
        f"{result.ratio(*result.bound):.2f}" if result.bound else "",
        "; ".join(_marked(str(budget), budget.met(result)) for budget in result.budgets),
    ]


def memory(results: Sequence[Result]) -> str:
    """The most that each program had resident in every step: ours, and Git under it, marked against their budgets."""
    limits = [f"{program} (≤ {MEMORY[program] // MB} MB)" for program in (OURS, "git")]
    rows = [
        [
            _label(result),
            *(
                _marked(_megabytes(size), size <= MEMORY[program]) if size else "-"
                for program, size in _pair(result, OURS)
            ),
            *(_megabytes(size) for _, size in _pair(result, LFS)),
        ]
        for result in results
    ]
    return _table(["step", *limits, LFS, f"git under {LFS}"], rows)


def _pair(result: Result, contender: str) -> list[tuple[str, int]]:
    """(program, bytes) of the filter and of Git; 0 for what was not there, or too briefly to be seen."""
    return [(program, result.peaks[contender].get(program, 0)) for program in (contender, "git")]


def sizes(results: Sequence[Result]) -> str:
    """Bytes that every step that stores something added under ``.git``."""
    stored = [result for result in results if max(result.stored.values()) >= MB]
    rows = [[_label(result), *(_megabytes(result.stored[name]) for name in (OURS, LFS))] for result in stored]
    return _table(["step", OURS, LFS], rows)


def misses(results: Sequence[Result]) -> list[str]:
    """Every budget that is not met, in words."""
    found = [f"{_label(result)}: {budget}" for result in results for budget in result.budgets if not budget.met(result)]
    return found + [
        f"{_label(result)}: {program} needs {_megabytes(size)} of {_megabytes(MEMORY[program])}"
        for result in results
        for program, size in _pair(result, OURS)
        if size > MEMORY[program]
    ]


def write_json(file: Path, results: Sequence[Result], about: Mapping[str, str]) -> None:
    """Everything that was measured, every round of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(result) | {"budgets": _verdicts(result)} for result in results]
    file.write_text(json.dumps({"about": about, "results": rows}, indent=1) + "\n")


def _verdicts(result: Result) -> dict[str, bool]:
    return {str(budget): budget.met(result) for budget in result.budgets}


def write_docs(page: Path, report: str) -> None:
    """Put the report between the two marks of a page; the rest of it stays. Raises ValueError where they are not."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} does not hold the marks {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{report}\n{END}{after}")


def _label(result: Result) -> str:
    return f"{result.story}: {result.step}"


def _marked(text: str, met: bool) -> str:
    return f"{text} {'✓' if met else '✗'}"


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def _megabytes(size: int) -> str:
    return f"{size / MB:.1f} MB" if size else "-"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, padded so that a terminal shows it well."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)
