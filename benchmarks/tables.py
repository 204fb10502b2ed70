"""Results as tables a person reads and as JSON a program reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.results import LFS, MB, MEMORY, MERGEKIT, OURS, PagePart, Result

BEGIN = "<!-- {}: begin; `python -m benchmarks --write-docs` writes what follows -->"
END = "<!-- {}: end -->"
_NOTES = "Medians; a ratio is the median of the ratios in each round. ✓ and ✗ say whether a budget is met."


def render_sections(results: Sequence[Result], about: Mapping[str, str]) -> dict[str, str]:
    """By part, what it was taken on, and its tables; without parts that nothing was measured for."""
    machine = "; ".join(f"{name}: {value}" for name, value in about.items())
    found: dict[str, str] = {}
    for part, tables in _TABLES.items():
        if own := [result for result in results if result.part == part]:
            texts = [f"### {title}\n\n{table(own)}" for title, table in tables.items()]
            found[part] = "\n\n".join([machine, _NOTES, *texts]) + "\n"
    return found


def render_times(results: Sequence[Result]) -> str:
    """Seconds, ratios and budgets of every step."""
    head = ["step", OURS, LFS, "bound", f"/ {LFS}", "/ bound", "budgets"]
    return render_table(head, [_time_row(result) for result in results])


def _time_row(result: Result) -> list[str]:
    return [
        _label(result),
        _format_seconds(result.median(OURS)),
        _format_seconds(result.median(LFS)),
        _bound_cell(result),
        f"{result.ratio(LFS):.2f}",
        *_budget_cells(result),
    ]


def _bound_cell(result: Result) -> str:
    return f"{_format_seconds(result.median(*result.bound))} ({' + '.join(result.bound)})" if result.bound else ""


def _budget_cells(result: Result) -> list[str]:
    """The ratio to the bound, and the budgets."""
    ratio = f"{result.ratio(*result.bound):.2f}" if result.bound else ""
    return [ratio, "; ".join(_mark_met(str(budget), budget.is_met(result)) for budget in result.budgets)]


def render_memory(results: Sequence[Result]) -> str:
    """The most that each program had resident in every step: ours, and Git under it, marked against their budgets."""
    rows = [
        [_label(result), *_our_memory_cells(result), *(_format_megabytes(size) for _, size in _peaks_of(result, LFS))]
        for result in results
    ]
    return render_table(["step", *_limit_headings(), LFS, f"git under {LFS}"], rows)


def _limit_headings() -> list[str]:
    return [f"{program} (≤ {MEMORY[program] // MB} MB)" for program in (OURS, "git")]


def _our_memory_cells(result: Result) -> list[str]:
    """What we, and Git under us, had resident at most, marked against the budgets."""
    return [
        _mark_met(_format_megabytes(size), size <= MEMORY[program]) if size else "-"
        for program, size in _peaks_of(result, OURS)
    ]


def _peaks_of(result: Result, contender: str) -> list[tuple[str, int]]:
    """(program, bytes) of the filter and of Git; 0 for what was not there, or too briefly to be seen."""
    return [(program, result.peaks[contender].get(program, 0)) for program in (contender, "git")]


def render_merge_times(results: Sequence[Result]) -> str:
    """As ``render_times``; what a merge was not raced against is left blank."""
    raced = {name for result in results for name in result.seconds}
    others = [name for name in (MERGEKIT, "cat + cp") if name in raced]
    rows = [
        [
            _label(result),
            _format_seconds(result.median(OURS)),
            _bound_cell(result),
            *(_format_seconds(result.median(name)) if name in result.seconds else "" for name in others),
            *(f"{result.ratio(name):.2f}" if name in result.seconds else "" for name in others),
            *_budget_cells(result),
        ]
        for result in results
    ]
    return render_table(["step", OURS, "bound", *others, *(f"/ {name}" for name in others), "/ bound", "budgets"], rows)


def render_merge_memory(results: Sequence[Result]) -> str:
    """The most that a process of ours had resident, marked against its budget, of Git under us, and of mergekit."""
    rows = []
    for result in results:
        ours, git = (size for _, size in _peaks_of(result, OURS))
        theirs = max(result.peaks.get(MERGEKIT, {}).values(), default=0)
        limits = f"{_mark_met(_format_megabytes(ours), ours <= result.memory)} (≤ {result.memory // MB} MB)"
        rows.append(
            [_label(result), limits, _mark_met(_format_megabytes(git), git <= MEMORY["git"]), _format_megabytes(theirs)]
        )
    return render_table(["step", OURS, f"git (≤ {MEMORY['git'] // MB} MB)", MERGEKIT], rows)


def render_diff_times(results: Sequence[Result]) -> str:
    """Seconds of every step, beside those of whatever took part; ratios to the bounds, and budgets."""
    rows = [
        [
            _label(result),
            _format_seconds(result.median(OURS)),
            ", ".join(f"{name} {_format_seconds(result.median(name))}" for name in result.seconds if name != OURS),
            *_budget_cells(result),
        ]
        for result in results
    ]
    return render_table(["step", OURS, "beside", "/ bound", "budgets"], rows)


def render_diff_memory(results: Sequence[Result]) -> str:
    """The most that we, and Git under us, had resident, marked against the budgets."""
    return render_table(
        ["step", *_limit_headings()], [[_label(result), *_our_memory_cells(result)] for result in results]
    )


def render_scale(results: Sequence[Result]) -> str:
    """Seconds and memory of every step with very many parameters, marked against the budgets."""
    rows = [
        [
            _label(result),
            _format_seconds(result.median(OURS)),
            "; ".join(_mark_met(str(budget), budget.is_met(result)) for budget in result.budgets),
            *(
                f"{_mark_met(_format_megabytes(size), size <= limit)} (≤ {limit // MB} MB)"
                for (_, size), limit in zip(_peaks_of(result, OURS), (result.memory, result.git_memory), strict=True)
            ),
        ]
        for result in results
    ]
    return render_table(["step", "time", "budgets", OURS, "git"], rows)


def render_sizes(results: Sequence[Result]) -> str:
    """Bytes that every step that stores something added under ``.git``."""
    stored = [result for result in results if max(result.stored.values()) >= MB]
    rows = [[_label(result), *(_format_megabytes(result.stored[name]) for name in (OURS, LFS))] for result in stored]
    return render_table(["step", OURS, LFS], rows)


def missed_budgets(results: Sequence[Result]) -> list[str]:
    """Every budget that is not met, in words."""
    found = [
        f"{_label(result)}: {budget}" for result in results for budget in result.budgets if not budget.is_met(result)
    ]
    return found + [
        f"{_label(result)}: {program} needs {_format_megabytes(size)} of {_format_megabytes(limit)}"
        for result in results
        for (program, size), limit in zip(_peaks_of(result, OURS), (result.memory, result.git_memory), strict=True)
        if size > limit
    ]


def write_json(
    file: Path, results: Sequence[Result], about: Mapping[str, str], storage: Mapping[str, object] | None = None
) -> None:
    """Everything that was measured, every round of it; ``storage`` is what that part found."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(result) | {"budgets": _verdicts(result)} for result in results]
    file.write_text(json.dumps({"about": about, "results": rows, "storage": storage or {}}, indent=1) + "\n")


def _verdicts(result: Result) -> dict[str, bool]:
    return {str(budget): budget.is_met(result) for budget in result.budgets}


_TABLES: Mapping[PagePart, Mapping[str, Callable[[Sequence[Result]], str]]] = {
    "benchmarks": {"Time": render_times, "Peak memory": render_memory, "Bytes under .git": render_sizes},
    "share": {"Time to share": render_times, "Peak memory of sharing": render_memory},
    "merges": {"Time to merge": render_merge_times, "Peak memory of merges": render_merge_memory},
    "diffs": {"Time to compare": render_diff_times, "Peak memory of comparing": render_diff_memory},
    "evaluations": {"Time of what is known": render_diff_times},
    "scale": {"A hundred thousand parameters": render_scale},
}


def write_docs(page: Path, parts: Mapping[str, str], begin: str = BEGIN) -> None:
    """Put each part between its two marks on a page; the rest of it stays. Raises ValueError where they are not."""
    for part, text in parts.items():
        opening, closing = begin.format(part), END.format(part)
        before, opened, rest = page.read_text().partition(opening)
        _, closed, after = rest.partition(closing)
        if not (opened and closed):
            raise ValueError(f"{page} does not hold the marks {opening} and {closing}")
        page.write_text(f"{before}{opening}\n\n{text}\n{closing}{after}")


def _label(result: Result) -> str:
    return f"{result.story}: {result.step}"


def _mark_met(text: str, met: bool) -> str:
    return f"{text} {'✓' if met else '✗'}"


def _format_seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def _format_megabytes(size: int) -> str:
    return f"{size / MB:.1f} MB" if size else "-"


def render_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, padded so that a terminal shows it well."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)
