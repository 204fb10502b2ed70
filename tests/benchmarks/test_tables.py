"""The tables, and where they go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.results import LFS, MB, MERGEKIT, OURS, Result, StartsNoFilter, WithinRatio, WithinSeconds
from benchmarks.tables import (
    BEGIN,
    END,
    missed_budgets,
    render_diff_memory,
    render_diff_times,
    render_memory,
    render_merge_memory,
    render_merge_times,
    render_sections,
    render_sizes,
    render_times,
    write_docs,
    write_json,
)


@pytest.fixture
def results() -> list[Result]:
    """A step that meets one budget of two, in Git's memory neither, and one that is asked for nothing but silence."""
    return [
        Result(
            "bf16",
            "add, new",
            ("cp", "openssl"),
            (WithinRatio(0.6, (LFS,)), WithinRatio(2.0, ("cp", "openssl"))),
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


@pytest.fixture
def merges() -> list[Result]:
    """A merge that mergekit makes too, once, and one that it does not, and that needs too much memory."""
    return [
        Result(
            "fp32",
            "average",
            ("read", "write"),
            (WithinRatio(1.5, ("read", "write")),),
            302 * MB,
            (MERGEKIT,),
            "merges",
            seconds={
                OURS: [1.0, 2.0],
                "read": [0.5, 1.0],
                "write": [0.5, 1.0],
                "cat + cp": [0.1, 0.2],
                MERGEKIT: [4.0],
            },
            peaks={OURS: {OURS: 301 * MB, "git": 5 * MB}, MERGEKIT: {MERGEKIT: 2000 * MB}},
        ),
        Result(
            "fp32",
            "apart",
            (),
            memory=64 * MB,
            part="merges",
            seconds={OURS: [0.2, 0.2]},
            peaks={OURS: {OURS: 65 * MB, "git": 5 * MB}},
        ),
    ]


@pytest.fixture
def diffs() -> list[Result]:
    """A diff in time that needs too much memory, and one that was too brief to be seen."""
    return [
        Result(
            "bf16",
            "values",
            ("read",),
            (WithinRatio(2, ("read",)),),
            part="diffs",
            seconds={OURS: [1.5, 2.0], "read": [1.0, 1.0]},
            peaks={OURS: {OURS: 301 * MB, "git": 5 * MB}},
        ),
        Result(
            "toy",
            "names",
            (),
            (WithinSeconds(0.15),),
            part="diffs",
            seconds={OURS: [0.2, 0.2], "git diff": [0.004, 0.004], "python": [0.02, 0.02]},
            peaks={OURS: {}},
        ),
    ]


def cells(table: str) -> list[list[str]]:
    """The rows of a Markdown table, below its head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_time_table_shows_medians_ratios_and_verdicts(results: list[Result]) -> None:
    assert cells(render_times(results)) == [
        ["bf16: add, new", "1.50 s", "3.00 s", "500 ms (cp + openssl)", "0.50", "3.00",
         "≤ 0.6 x git-lfs ✓; ≤ 2 x (cp + openssl) ✗"],
        ["bf16: status", "5 ms", "5 ms", "", "1.00", "", "starts no filter ✓"],
    ]  # fmt: skip


def test_the_memory_table_marks_ours_and_git_under_us(results: list[Result]) -> None:
    assert cells(render_memory(results)) == [
        ["bf16: add, new", "120.0 MB ✓", "70.0 MB ✗", "20.0 MB", "5.0 MB"],
        ["bf16: status", "-", "5.0 MB ✓", "-", "5.0 MB"],
    ]


def test_merges_are_compared_with_whoever_made_them(merges: list[Result]) -> None:
    assert cells(render_merge_times(merges)) == [
        ["fp32: average", "1.50 s", "1.50 s (read + write)", "4.00 s", "150 ms", "0.25", "10.00", "1.00",
         "≤ 1.5 x (read + write) ✓"],
        ["fp32: apart", "200 ms", "", "", "", "", "", "", ""],
    ]  # fmt: skip


def test_each_merge_has_a_budget_of_memory(merges: list[Result]) -> None:
    assert cells(render_merge_memory(merges)) == [
        ["fp32: average", "301.0 MB ✓ (≤ 302 MB)", "5.0 MB ✓", "2000.0 MB"],
        ["fp32: apart", "65.0 MB ✗ (≤ 64 MB)", "5.0 MB ✓", "-"],
    ]
    assert missed_budgets(merges) == ["fp32: apart: git-theta needs 65.0 MB of 64.0 MB"]


def test_diffs_stand_beside_whatever_took_part(diffs: list[Result]) -> None:
    assert cells(render_diff_times(diffs)) == [
        ["bf16: values", "1.75 s", "read 1.00 s", "1.75", "≤ 2 x read ✓"],
        ["toy: names", "200 ms", "git diff 4 ms, python 20 ms", "", "≤ 0.15 s ✗"],
    ]
    assert cells(render_diff_memory(diffs)) == [["bf16: values", "301.0 MB ✗", "5.0 MB ✓"], ["toy: names", "-", "-"]]


def test_the_sizes_are_of_steps_that_store_something(results: list[Result]) -> None:
    assert cells(render_sizes(results)) == [["bf16: add, new", "690.0 MB", "1000.0 MB"]]


def test_every_miss_is_named(results: list[Result]) -> None:
    assert missed_budgets(results) == [
        "bf16: add, new: ≤ 2 x (cp + openssl)",
        "bf16: add, new: git needs 70.0 MB of 64.0 MB",
    ]


def test_the_lines_of_a_table_are_equally_long(results: list[Result]) -> None:
    assert len({len(line) for line in render_times(results).splitlines()}) == 1


def test_json_keeps_every_round(results: list[Result], tmp_path: Path) -> None:
    file = tmp_path / "results" / "now.json"
    write_json(file, results, {"cores": "2"})
    written = json.loads(file.read_text())
    assert written["about"] == {"cores": "2"}
    assert written["results"][0]["seconds"]["cp"] == [0.1, 0.1]
    assert written["results"][0]["budgets"] == {"≤ 0.6 x git-lfs": True, "≤ 2 x (cp + openssl)": False}


def test_only_what_was_measured_has_a_section(results: list[Result], merges: list[Result], diffs: list[Result]) -> None:
    about = {"cores": "2"}
    both = render_sections([*diffs, *results], about)
    assert both == render_sections(results, about) | render_sections(diffs, about)
    assert list(both) == ["benchmarks", "diffs"]
    assert list(render_sections(merges, about)) == ["merges"]
    assert all("cores: 2" in text for text in both.values())


def test_the_docs_change_between_the_marks_alone(results: list[Result], merges: list[Result], tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    empty = [f"{BEGIN.format(part)}\nold\n{END.format(part)}" for part in ("benchmarks", "merges")]
    page.write_text("\n".join(["# Before", empty[0], "between", empty[1], "after", ""]))
    parts = render_sections(merges, {"cores": "2"})
    write_docs(page, parts)
    write_docs(page, parts)
    written = f"{BEGIN.format('merges')}\n\n{parts['merges']}\n{END.format('merges')}"
    assert page.read_text() == "\n".join(["# Before", empty[0], "between", written, "after", ""])


def test_each_of_several_parts_stands_between_its_own_marks(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("\n".join(f"{BEGIN.format(part)}\nold\n{END.format(part)}" for part in ("benchmarks", "merges")))
    write_docs(page, {"benchmarks": "first", "merges": "second"})
    assert page.read_text() == "\n".join(
        f"{BEGIN.format(part)}\n\n{text}\n{END.format(part)}"
        for part, text in (("benchmarks", "first"), ("merges", "second"))
    )


def test_docs_without_marks_are_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"# Before\n{BEGIN.format('merges')}\n")
    with pytest.raises(ValueError, match="marks"):
        write_docs(page, {"merges": "new"})
    assert page.read_text() == f"# Before\n{BEGIN.format('merges')}\n"


def test_the_page_has_the_marks_of_every_part(results: list[Result], merges: list[Result], diffs: list[Result]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "performance.md").read_text()
    for part in render_sections([*results, *merges, *diffs], {}):
        assert page.count(BEGIN.format(part)) == page.count(END.format(part)) == 1
