"""Plans carried out: sides, strategies, and what is left; of parameters and of the frame."""

from __future__ import annotations

import pytest

from git_theta.errors import MissingObject, UsageError
from git_theta.merging.decisions import Decision
from git_theta.merging.plan import plan, settle
from git_theta.operations.context import Desk
from git_theta.operations.merging.apply_plan import Merged, Settings, merge
from tests.operations.checkpoints import always, bytes_of, checkpoint, stored
from tests.sandbox import safetensors_bytes

BASE, OURS, THEIRS = {"a": b"1111", "b": b"2222"}, {"a": b"oooo", "b": b"2222"}, {"a": b"tttt", "b": b"TTTT"}


def nothing(_: Decision) -> None:
    """Leaves everything."""


def names(merged: Merged) -> list[str]:
    return [left.decision.name for left in merged.left]


@pytest.fixture
def ours_and_theirs(desk: Desk) -> list[bytes]:
    return [checkpoint(values) for values in (BASE, OURS, THEIRS)]


def merged(desk: Desk, files: list[bytes], strategy: str = "") -> Merged:
    base, *heads = (stored(desk, file) for file in files)
    return merge(plan(base, heads), always(strategy) if strategy else nothing, Settings(), desk)


def test_what_nobody_chose_for_is_left_as_ours(desk: Desk, ours_and_theirs: list[bytes]) -> None:
    found = merged(desk, ours_and_theirs)
    assert names(found) == ["a"] and found.applied == ()
    assert bytes_of(found.manifest, desk) == checkpoint({"a": b"oooo", "b": b"TTTT"})


@pytest.mark.parametrize(("side", "value"), [("ours", b"oooo"), ("theirs", b"tttt"), ("base", b"1111")])
def test_a_side_is_taken_also_of_what_cannot_be_computed_with(
    desk: Desk, ours_and_theirs: list[bytes], side: str, value: bytes
) -> None:
    found = merged(desk, ours_and_theirs, side)
    assert found.left == ()
    assert [(one.decision.name, one.choice.strategy) for one in found.applied] == [("a", side)]
    assert bytes_of(found.manifest, desk) == checkpoint({"a": value, "b": b"TTTT"})


def test_a_strategy_that_cannot_compute_leaves_it_and_says_why(desk: Desk, ours_and_theirs: list[bytes]) -> None:
    found = merged(desk, ours_and_theirs, "average")
    assert names(found) == ["a"]
    assert "average computes with numbers, and U8" in found.left[0].reason


def test_a_strategy_that_does_not_exist(desk: Desk, ours_and_theirs: list[bytes]) -> None:
    with pytest.raises(UsageError, match="averege"):
        merged(desk, ours_and_theirs, "averege")


def test_what_was_computed_before_is_kept(desk: Desk) -> None:
    files = [checkpoint({"a": one, "b": one}) for one in (b"1111", b"oooo", b"tttt")]
    base, *heads = (stored(desk, file) for file in files)
    [computed, _] = stored(desk, checkpoint({"a": b"cccc", "b": b""})).parameters()
    made = settle(plan(base, heads), {"a": 0})
    found = merge(made, always("theirs"), Settings(), desk, {"a": computed})
    assert bytes_of(found.manifest, desk) == checkpoint({"a": b"cccc", "b": b"tttt"})
    assert [one.decision.name for one in found.applied] == ["b"]


def test_there_is_no_base_to_take(desk: Desk) -> None:
    heads = [stored(desk, checkpoint(values)) for values in (OURS, THEIRS)]
    found = merge(plan(None, heads), always("base"), Settings(), desk)
    assert [left.reason for left in found.left] == ["there is no merge base to take it from"] * 2
    assert bytes_of(found.manifest, desk) == checkpoint(OURS)


METADATA = [checkpoint(BASE, {"by": who}) for who in ("base", "ours", "theirs")]


def test_a_frame_that_both_changed_is_left_where_nothing_is_chosen(desk: Desk) -> None:
    found = merged(desk, METADATA)
    assert names(found) == [""] and "metadata" in found.left[0].reason
    assert found.plan.frame.source is None
    assert bytes_of(found.manifest, desk) == METADATA[1]


@pytest.mark.parametrize(("strategy", "version"), [("ours", 1), ("theirs", 2), ("base", 0), ("average", 1)])
def test_a_frame_that_both_changed_is_settled(desk: Desk, strategy: str, version: int) -> None:
    found = merged(desk, METADATA, strategy)
    assert found.left == ()
    assert bytes_of(found.manifest, desk) == METADATA[version]
    assert bool(found.applied[0].report.notes) == (strategy == "average")


@pytest.mark.parametrize(("strategy", "version"), [("ours", 1), ("theirs", 2), ("base", 0)])
def test_an_opaque_file_is_settled_whole(desk: Desk, strategy: str, version: int) -> None:
    files = [b"base", b"ours", b"theirs"]
    assert bytes_of(merged(desk, files, strategy).manifest, desk) == files[version]
    assert names(merged(desk, files)) == names(merged(desk, files, "average")) == [""]


def test_objects_that_are_elsewhere_are_fetched_before_anything_is_computed(desk: Desk) -> None:
    files = [safetensors_bytes({"a": ("F32", (1,), bytes([0, 0, 128, top]))}) for top in (0x3F, 0x40, 0x41)]
    base, ours, theirs = (stored(desk, file) for file in files)
    elsewhere = desk._replace(store=type(desk.store)())
    with pytest.raises(MissingObject, match="objects that the merge must read are missing") as caught:
        merge(plan(base, [ours, theirs]), always("average"), Settings(), elsewhere)
    assert caught.value.parameter == "a"

    def fetch(oids: object) -> list[str]:
        for manifest in (base, ours, theirs):
            for oid in manifest.objects():
                elsewhere.store.put([desk.store.get(oid).read()])
        return []

    found = merge(plan(base, [ours, theirs]), always("average"), Settings(), elsewhere._replace(fetch=fetch))
    assert found.left == ()
