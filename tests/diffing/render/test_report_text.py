"""What ``git diff`` and ``git theta diff`` print."""

from __future__ import annotations

import re

import pytest

from git_theta.diffing.base import Change, ChangeStatus, MeasuredChange, ParameterVersion
from git_theta.diffing.render import stat
from git_theta.diffing.render.report_text import render_report
from git_theta.diffing.render.rows import shorten_name
from tests.diffing.render.sample_reports import (
    HOSTILE,
    added,
    changed,
    encoder,
    entry,
    place,
    removed,
    renamed,
    report,
    respecified,
    shards,
    unchanged,
)

ONE = """\
diff --theta a/model.safetensors b/model.safetensors
--- a/model.safetensors (HEAD~1)
+++ b/model.safetensors (worktree)
@@ 1 changed, of 2 parameters; 147 k elements; 294.9 kB stored @@
one parameter changed
                                 relative   norm  largest  cosine  differ    stored
~ head.weight    F32 [384, 384]     1.23%  0.236  0.00246  0.9999    100%  294.9 kB
"""


def text(*rows: MeasuredChange, width: int = 120, color: bool = False) -> str:
    """What is printed of these rows."""
    return render_report(report(rows), color=color, width=width)


def line(text: str, start: str) -> str:
    """The line that starts like this."""
    return next(line for line in text.splitlines() if line.startswith(start))


def test_one_changed_parameter() -> None:
    assert text(changed("head.weight"), unchanged("b")).split() == ONE.split()


def test_nothing_changed_prints_nothing() -> None:
    assert text(unchanged("a")) == ""


def test_metadata_alone_is_told() -> None:
    said = render_report(report([unchanged("a")], rest=True), color=False, width=80)
    assert "@@ none changed of 1 parameter @@\nno parameter changed, only what is around them" in said


def test_added_and_removed_files() -> None:
    assert "new file\n--- /dev/null (HEAD~1)\n+++ b/model.safetensors (worktree)\n" in text(added("a"))
    assert "deleted file\n--- a/model.safetensors (HEAD~1)\n+++ /dev/null (worktree)\n" in text(removed("a"))


def test_a_renamed_file_of_another_format() -> None:
    whole = report([changed("a")])
    before = shards("old.pt", [entry("a"), entry("b")], "torch")
    said = render_report(whole._replace(comparison=whole.comparison._replace(before=before)), color=False, width=80)
    assert said.startswith(
        "diff --theta a/old.pt b/model.safetensors\nrename from old.pt\nrename to model.safetensors\n"
        "format torch -> safetensors\nsize 1.2 MB -> 590.8 kB\n--- a/old.pt (HEAD~1)\n"
    )


def test_each_status_says_what_happened() -> None:
    shard = "m-0000{}-of-00003.safetensors".format
    moved = MeasuredChange(Change(ChangeStatus.MOVED, place("m", path=shard(1)), place("m", path=shard(2))))
    said = text(
        renamed("old.weight", "new.weight"),
        moved,
        respecified("a", ("F32", (10, 4)), ("F32", (12, 4))),
        respecified("b", ("F32", (10, 4)), ("BF16", (10, 4))),
        respecified("c", ("F32", (10, 4)), ("BF16", (12, 4))),
    )
    assert "renamed from old.weight" in line(said, "> new.weight")
    assert "moved from m-00001-of-00003.safetensors to m-00002-of-00003.safetensors" in line(said, "> m")
    assert "F32 [10, 4] -> [12, 4]" in line(said, "! a")
    assert "F32 -> BF16 [10, 4]" in line(said, "! b")
    assert "F32 [10, 4] -> BF16 [12, 4]" in line(said, "! c")


@pytest.mark.parametrize(
    ("was", "now"),
    [("old.pt", "new.pt"), ("m-00002-of-00003.safetensors", "n/m-00002-of-00007.safetensors")],
    ids=["a file", "a shard"],
)
def test_a_file_that_is_called_otherwise_moves_no_parameter(was: str, now: str) -> None:
    row = changed("a")
    renamed_file = row.change._replace(before=place("a", path=was), after=place("a", path=now))
    assert "moved" not in text(row._replace(change=renamed_file))


def test_notes_hints_and_failures() -> None:
    tied = entry("shared", ties=("lm_head.weight",))
    rows = [
        changed("broken", nonfinite_after=(2, 1)),
        changed("adapted", rank=8, rank_limit=32),
        changed("lost")._replace(measures=None, failure="object 12ab is missing"),
        MeasuredChange(Change(ChangeStatus.ADDED, None, ParameterVersion("m", "shared", tied))),
    ]
    said = text(*rows, width=200)
    assert "2 NaN and 1 infinite appeared" in line(said, "~ broken")
    assert "rank ~8: looks like an adapter" in line(said, "~ adapted")
    assert "object 12ab is missing" in line(said, "~ lost")
    assert "tied: lm_head.weight" in line(said, "+ shared")
    assert said.endswith("1 parameter could not be measured\n")


def test_many_rows_are_grouped_by_module() -> None:
    said = text(*encoder(2))
    assert line(said, "  encoder.layer.1.output.LayerNorm").endswith("2 changed, relative 1.23%, 295.7 kB stored")
    assert "~   weight" in said
    assert line(said, "~ pooler.dense.weight")  # a module of one row needs no heading


def test_rows_in_another_order_are_not_regrouped() -> None:
    whole = report(encoder(2))
    said = render_report(whole._replace(rows=whole.rows[::-1]), color=False, width=120)
    names = [line.split()[1] for line in said.splitlines() if line.startswith("~ ")]
    assert names == [row.change.name for row in whole.rows[::-1]]


def test_what_is_left_out_is_counted() -> None:
    whole = report(encoder(2))
    said = render_report(whole._replace(rows=whole.rows[:3], limited=5), color=False, width=120)
    assert said.endswith("... and 5 more parameters\n(10 changed parameters not asked for)\n")


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_it_fits_the_width(width: int) -> None:
    body = text(*encoder(2), respecified("emb.weight", ("F32", (10, 4)), ("F32", (12, 4))), width=width)
    rows = [line for line in body.splitlines() if line.startswith(("~", "!", "  "))]
    assert len(rows) > 20
    assert max(map(len, rows)) <= width
    assert all(line.split()[1].endswith(("weight", "bias")) for line in rows if line.startswith(("~", "!")))


def test_figures_are_aligned() -> None:
    rows = [line for line in text(*encoder(2)).splitlines() if line.startswith(("~", "    "))]
    assert {len(line.rstrip()) for line in rows} == {len(rows[0])}


def test_a_name_keeps_its_end() -> None:
    name = "encoder.layer.11.attention.self.query.weight"
    assert shorten_name(name, 60) == name
    assert shorten_name(name, 36) == "encoder.layer.11...self.query.weight"
    assert shorten_name(name, 4) == "...weight"
    assert shorten_name("x" * 50, 10) == "x" * 50


def test_colors_are_gits() -> None:
    said = text(changed("a", nonfinite_after=(1, 0)), added("b"), removed("c"), color=True, width=200)
    assert "\x1b[1mdiff --theta" in said
    assert "\x1b[36m@@ " in said
    assert "\x1b[31m1 NaN appeared\x1b[m" in said
    assert "\x1b[32m+ b" in said
    assert "\x1b[31m- c" in said
    assert re.sub(r"\x1b\[\d*m", "", said) == text(
        changed("a", nonfinite_after=(1, 0)), added("b"), removed("c"), width=200
    )


def test_names_from_a_file_do_not_steer_the_terminal() -> None:
    rows = [changed(name) for name in HOSTILE]
    for printed in (
        render_report(report(rows, path=HOSTILE[-1]), color=False, width=80),
        stat.render_stat([report(rows, path=HOSTILE[-1])], color=False, width=80),
        stat.render_names([report(rows, path=HOSTILE[-1])]),
    ):
        assert printed.replace("\n", "").replace("\t", "").isprintable()
        assert r"\x1b[31mred" in printed


STAT = """\
 model.safetensors
   a.weight   | 294.9 kB ~~~~~~~~~~~~
   b.weight   |   7.7 kB +
   old.weight |      0 B -
 1 changed, 1 added, 1 removed, of 4 parameters; 302.6 kB stored
"""


def test_statistics() -> None:
    rows = [changed("a.weight"), added("b.weight", (10, 384)), removed("old.weight"), unchanged("x")]
    assert stat.render_stat([report(rows)], color=False, width=80) == STAT
    both = stat.render_stat([report(rows), report([unchanged("a")]), report(rows, "b.pt")], color=False, width=80)
    assert both.endswith(" 2 checkpoints, 2 changed, 2 added, 2 removed, of 8 parameters; 605.2 kB stored\n")
    assert stat.render_stat([report([unchanged("a")])], color=False, width=80) == ""


def test_bare_names() -> None:
    found = [report([changed("a"), unchanged("b")]), report([unchanged("a")], "b.pt", rest=True)]
    assert stat.render_names(found) == "model.safetensors\ta\nb.pt\n"
