"""Merged files: replaced bytes where the layout holds, rebuilt where it does not, and nothing read that need not be."""

from __future__ import annotations

import pytest

from git_theta.errors import ConflictError
from git_theta.merging.plan import plan
from git_theta.operations import templates
from git_theta.operations.context import Desk
from git_theta.operations.merging.assemble import assemble
from git_theta.operations.templates import template
from git_theta.store.memory import MemoryStore
from tests.operations.checkpoints import bytes_of, checkpoint, stored

BASE, OURS, THEIRS = {"a": b"1111", "b": b"2222"}, {"a": b"oooo", "b": b"2222"}, {"a": b"1111", "b": b"tttt"}


def test_each_side_s_parameters_in_the_common_frame(desk: Desk) -> None:
    base, *heads = (stored(desk, checkpoint(values)) for values in (BASE, OURS, THEIRS))
    found = assemble(plan(base, heads), {}, desk)
    assert bytes_of(found, desk) == checkpoint({"a": b"oooo", "b": b"tttt"})


def test_entries_are_taken_over_verbatim(desk: Desk) -> None:
    """Where a parameter is stored is its side's business: nothing is stored again."""
    base, ours, theirs = (stored(desk, checkpoint(values)) for values in (BASE, OURS, THEIRS))
    found = {entry.name: entry for entry in assemble(plan(base, [ours, theirs]), {}, desk).parameters()}
    assert found["a"] == next(entry for entry in ours.parameters() if entry.name == "a")
    assert found["b"] == next(entry for entry in theirs.parameters() if entry.name == "b")


def test_a_side_that_wins_is_that_side_s_manifest(desk: Desk) -> None:
    base, ours = stored(desk, checkpoint(BASE)), stored(desk, checkpoint(OURS))
    assert assemble(plan(base, [ours, base]), {}, desk) == ours
    nowhere = desk._replace(store=MemoryStore())
    assert assemble(plan(base, [base, ours]), {}, nowhere) == ours


def test_a_file_of_other_parameters_is_built(desk: Desk) -> None:
    files = [BASE, BASE | {"c": b"33"}, {"b": b"tttttt"}]
    base, *heads = (stored(desk, checkpoint(values)) for values in files)
    assert bytes_of(assemble(plan(base, heads), {}, desk), desk) == checkpoint({"b": b"tttttt", "c": b"33"})


def test_a_template_reads_the_frame_alone(desk: Desk) -> None:
    content = checkpoint(BASE)
    found = template(stored(desk, content), desk)
    assert [span.name for span in found.spans] == ["a", "b"]
    assert found.runs[0] + b"1111" + found.runs[1] + b"2222" + found.runs[2] == content
    assert [content[span.offset : span.offset + span.size] for span in found.spans] == [b"1111", b"2222"]


def test_too_much_that_is_no_parameter_s_is_a_conflict(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "_LARGEST", 3)
    manifest = stored(desk, checkpoint(BASE))
    nameless = tuple(entry._replace(name=None, dtype="", shape=()) for entry in manifest.entries)
    with pytest.raises(ConflictError, match="too much"):
        template(manifest._replace(entries=nameless), desk)
