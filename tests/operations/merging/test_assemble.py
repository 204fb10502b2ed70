"""Merged files: replaced bytes where the layout holds, rebuilt where it does not, and nothing read that need not be."""

from __future__ import annotations

import pytest

from git_theta.errors import ConflictError
from git_theta.merging.planning.plan import plan_merge
from git_theta.operations import templates
from git_theta.operations.context import Context
from git_theta.operations.merging.assemble import assemble_manifest
from git_theta.operations.templates import read_template
from git_theta.store.memory import MemoryStore
from tests.operations.stored_checkpoints import bytes_of, checkpoint, stored

BASE, OURS, THEIRS = {"a": b"1111", "b": b"2222"}, {"a": b"oooo", "b": b"2222"}, {"a": b"1111", "b": b"tttt"}


def test_each_side_s_parameters_in_the_common_frame(context: Context) -> None:
    base, *heads = (stored(context, checkpoint(values)) for values in (BASE, OURS, THEIRS))
    found = assemble_manifest(plan_merge(base, heads), {}, context)
    assert bytes_of(found, context) == checkpoint({"a": b"oooo", "b": b"tttt"})


def test_entries_are_taken_over_verbatim(context: Context) -> None:
    """Where a parameter is stored is its side's business: nothing is stored again."""
    base, ours, theirs = (stored(context, checkpoint(values)) for values in (BASE, OURS, THEIRS))
    found = {
        entry.name: entry for entry in assemble_manifest(plan_merge(base, [ours, theirs]), {}, context).parameters()
    }
    assert found["a"] == next(entry for entry in ours.parameters() if entry.name == "a")
    assert found["b"] == next(entry for entry in theirs.parameters() if entry.name == "b")


def test_a_side_that_wins_is_that_side_s_manifest(context: Context) -> None:
    base, ours = stored(context, checkpoint(BASE)), stored(context, checkpoint(OURS))
    assert assemble_manifest(plan_merge(base, [ours, base]), {}, context) == ours
    nowhere = context._replace(store=MemoryStore())
    assert assemble_manifest(plan_merge(base, [base, ours]), {}, nowhere) == ours


def test_a_file_of_other_parameters_is_built(context: Context) -> None:
    files = [BASE, BASE | {"c": b"33"}, {"b": b"tttttt"}]
    base, *heads = (stored(context, checkpoint(values)) for values in files)
    assert bytes_of(assemble_manifest(plan_merge(base, heads), {}, context), context) == checkpoint(
        {"b": b"tttttt", "c": b"33"}
    )


def test_a_template_reads_the_frame_alone(context: Context) -> None:
    content = checkpoint(BASE)
    found = read_template(stored(context, content), context)
    assert [span.name for span in found.spans] == ["a", "b"]
    assert found.runs[0] + b"1111" + found.runs[1] + b"2222" + found.runs[2] == content
    assert [content[span.offset : span.offset + span.size] for span in found.spans] == [b"1111", b"2222"]


def test_too_much_that_is_no_parameter_s_is_a_conflict(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "_LARGEST", 3)
    manifest = stored(context, checkpoint(BASE))
    nameless = tuple(entry._replace(name=None, dtype="", shape=()) for entry in manifest.entries)
    with pytest.raises(ConflictError, match="too much"):
        read_template(manifest._replace(entries=nameless), context)
