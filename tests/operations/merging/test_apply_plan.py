"""Plans carried out: sides, strategies, and what is left; of parameters and of the frame."""

from __future__ import annotations

import pytest

from git_theta.errors import MissingObject, UsageError
from git_theta.merging.planning.decisions import Decision
from git_theta.merging.planning.plan import plan_merge, settle_contested
from git_theta.operations.context import Context
from git_theta.operations.merging.apply_plan import apply_plan
from git_theta.operations.merging.merge_results import MergeResult, MergeSettings, SettledBefore
from tests.operations.stored_checkpoints import always, bytes_of, checkpoint, stored
from tests.sandbox import safetensors_bytes

BASE, OURS, THEIRS = {"a": b"1111", "b": b"2222"}, {"a": b"oooo", "b": b"2222"}, {"a": b"tttt", "b": b"TTTT"}


def nothing(_: Decision) -> None:
    """Leaves everything."""


def names(merged: MergeResult) -> list[str]:
    return [left.decision.name for left in merged.left]


@pytest.fixture
def ours_and_theirs(context: Context) -> list[bytes]:
    return [checkpoint(values) for values in (BASE, OURS, THEIRS)]


def merged(context: Context, files: list[bytes], strategy: str = "") -> MergeResult:
    base, *heads = (stored(context, file) for file in files)
    return apply_plan(plan_merge(base, heads), always(strategy) if strategy else nothing, MergeSettings(), context)


def test_what_nobody_chose_for_is_left_as_ours(context: Context, ours_and_theirs: list[bytes]) -> None:
    found = merged(context, ours_and_theirs)
    assert names(found) == ["a"] and found.applied == ()
    assert bytes_of(found.manifest, context) == checkpoint({"a": b"oooo", "b": b"TTTT"})


@pytest.mark.parametrize(("side", "value"), [("ours", b"oooo"), ("theirs", b"tttt"), ("base", b"1111")])
def test_a_side_is_taken_also_of_what_cannot_be_computed_with(
    context: Context, ours_and_theirs: list[bytes], side: str, value: bytes
) -> None:
    found = merged(context, ours_and_theirs, side)
    assert found.left == ()
    assert [(one.decision.name, one.choice.strategy) for one in found.applied] == [("a", side)]
    assert bytes_of(found.manifest, context) == checkpoint({"a": value, "b": b"TTTT"})


def test_a_strategy_that_cannot_compute_leaves_it_and_says_why(context: Context, ours_and_theirs: list[bytes]) -> None:
    found = merged(context, ours_and_theirs, "average")
    assert names(found) == ["a"]
    assert "average computes with numbers, and U8" in found.left[0].reason


def test_a_strategy_that_does_not_exist(context: Context, ours_and_theirs: list[bytes]) -> None:
    with pytest.raises(UsageError, match="averege"):
        merged(context, ours_and_theirs, "averege")


def test_what_was_computed_before_is_kept(context: Context) -> None:
    files = [checkpoint({"a": one, "b": one}) for one in (b"1111", b"oooo", b"tttt")]
    base, *heads = (stored(context, file) for file in files)
    [computed, _] = stored(context, checkpoint({"a": b"cccc", "b": b""})).parameters()
    made = settle_contested(plan_merge(base, heads), {"a": 0})
    found = apply_plan(made, always("theirs"), MergeSettings(), context, SettledBefore({"a": computed}))
    assert bytes_of(found.manifest, context) == checkpoint({"a": b"cccc", "b": b"tttt"})
    assert [one.decision.name for one in found.applied] == ["b"]


def test_there_is_no_base_to_take(context: Context) -> None:
    heads = [stored(context, checkpoint(values)) for values in (OURS, THEIRS)]
    found = apply_plan(plan_merge(None, heads), always("base"), MergeSettings(), context)
    assert [left.reason for left in found.left] == ["there is no merge base to take it from"] * 2
    assert bytes_of(found.manifest, context) == checkpoint(OURS)


METADATA = [checkpoint(BASE, {"by": who}) for who in ("base", "ours", "theirs")]


def test_a_frame_that_both_changed_is_left_where_nothing_is_chosen(context: Context) -> None:
    found = merged(context, METADATA)
    assert names(found) == ["(frame) by"]
    assert found.left[0].reason == "base 'base'; ours 'ours'; theirs 'theirs'"
    assert bytes_of(found.manifest, context) == METADATA[1]


@pytest.mark.parametrize(("strategy", "version"), [("ours", 1), ("theirs", 2), ("base", 0), ("average", 1)])
def test_a_frame_that_both_changed_is_settled(context: Context, strategy: str, version: int) -> None:
    found = merged(context, METADATA, strategy)
    assert found.left == ()
    assert bytes_of(found.manifest, context) == METADATA[version]
    assert bool(found.applied[0].report.notes) == (strategy == "average")


@pytest.mark.parametrize(("strategy", "version"), [("ours", 1), ("theirs", 2), ("base", 0)])
def test_an_opaque_file_is_settled_whole(context: Context, strategy: str, version: int) -> None:
    files = [b"base", b"ours", b"theirs"]
    assert bytes_of(merged(context, files, strategy).manifest, context) == files[version]
    assert names(merged(context, files)) == names(merged(context, files, "average")) == [""]


def test_objects_that_are_elsewhere_are_fetched_before_anything_is_computed(context: Context) -> None:
    files = [safetensors_bytes({"a": ("F32", (1,), bytes([0, 0, 128, top]))}) for top in (0x3F, 0x40, 0x41)]
    base, ours, theirs = (stored(context, file) for file in files)
    elsewhere = context._replace(store=type(context.store)())
    with pytest.raises(MissingObject, match="objects that the merge must read are missing") as caught:
        apply_plan(plan_merge(base, [ours, theirs]), always("average"), MergeSettings(), elsewhere)
    assert caught.value.parameter == "a"

    def fetch(oids: object) -> list[str]:
        for manifest in (base, ours, theirs):
            for oid in manifest.objects():
                elsewhere.store.put([context.store.get(oid).read()])
        return []

    found = apply_plan(
        plan_merge(base, [ours, theirs]), always("average"), MergeSettings(), elsewhere._replace(fetch=fetch)
    )
    assert found.left == ()
