"""The tables, and where they go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.report import BEGIN, END, markdown, memory, misses, sizes, times, write_docs, write_json
from benchmarks.results import LFS, MB, OURS, Result, StartsNoFilter, Within


@pytest.fixture
def results() -> list[Result]:
    """A step that meets one budget of two, in Git's memory neither, and one that is asked for nothing but silence."""
    return [
        Result(
            "bf16",
            "add, new",
            ("cp", "openssl"),
            (Within(0.6, (LFS,)), Within(2.0, ("cp", "openssl"))),
            seconds={OURS: [1.5, 1.5], LFS: [3.0, 3.0], "cp": [0.1, 0.1], "openssl": [0.4, 0.4]},
            peaks={OURS: {OURS: 120 * MB, "git": 70 * MB}, LFS: {LFS: 20 * MB, "git": 5 * MB}},
            stored={OURS: 690 * MB, LFS: 1000 * MB, "cp": 0, "openssl": 0},
            filters={OURS: 1, LFS: 1},
        ),
        Result(
            "bf16",
            "status",
            (),
            (StartsNoFilter(),),
            seconds={OURS: [0.004, 0.006], LFS: [0.004, 0.006]},
            peaks={OURS: {"git": 5 * MB}, LFS: {"git": 5 * MB}},
            stored={OURS: 10, LFS: 0},
            filters={OURS: 0, LFS: 0},
        ),
    ]


def cells(table: str) -> list[list[str]]:
    """The rows of a Markdown table, below its head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_time_table_shows_medians_ratios_and_verdicts(results: list[Result]) -> None:
    assert cells(times(results)) == [
        ["bf16: add, new", "1.50 s", "3.00 s", "500 ms (cp + openssl)", "0.50", "3.00",
         "≤ 0.6 x git-lfs ✓; ≤ 2 x (cp + openssl) ✗"],
        ["bf16: status", "5 ms", "5 ms", "", "1.00", "", "starts no filter ✓"],
    ]  # fmt: skip


def test_the_memory_table_marks_ours_and_git_under_us(results: list[Result]) -> None:
    assert cells(memory(results)) == [
        ["bf16: add, new", "120.0 MB ✓", "70.0 MB ✗", "20.0 MB", "5.0 MB"],
        ["bf16: status", "-", "5.0 MB ✓", "-", "5.0 MB"],
    ]


def test_the_sizes_are_of_steps_that_store_something(results: list[Result]) -> None:
    assert cells(sizes(results)) == [["bf16: add, new", "690.0 MB", "1000.0 MB"]]


def test_every_miss_is_named(results: list[Result]) -> None:
    assert misses(results) == [
        "bf16: add, new: ≤ 2 x (cp + openssl)",
        "bf16: add, new: git needs 70.0 MB of 64.0 MB",
    ]


def test_the_lines_of_a_table_are_equally_long(results: list[Result]) -> None:
    assert len({len(line) for line in times(results).splitlines()}) == 1


def test_json_keeps_every_round(results: list[Result], tmp_path: Path) -> None:
    file = tmp_path / "results" / "now.json"
    write_json(file, results, {"cores": "2"})
    written = json.loads(file.read_text())
    assert written["about"] == {"cores": "2"}
    assert written["results"][0]["seconds"]["cp"] == [0.1, 0.1]
    assert written["results"][0]["budgets"] == {"≤ 0.6 x git-lfs": True, "≤ 2 x (cp + openssl)": False}


def test_the_docs_change_between_the_marks_alone(results: list[Result], tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    text = markdown(results, {"cores": "2"})
    write_docs(page, text)
    write_docs(page, text)
    assert page.read_text() == f"# Before\n\n{BEGIN}\n\n{text}\n{END}\n\nafter\n"


def test_docs_without_marks_are_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"# Before\n{BEGIN}\n")
    with pytest.raises(ValueError, match="marks"):
        write_docs(page, "new")
    assert page.read_text() == f"# Before\n{BEGIN}\n"
