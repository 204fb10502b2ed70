"""What changed, by ids alone: statuses, renames, moves, ties."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.base import Change, ChangeStatus
from git_theta.diffing.compare import compare_checkpoint
from git_theta.manifest.model import Coding, Place, Storage, View
from tests.diffing.entries import entry, one, shard, tied
from tests.work_units import takes_fewer_units

PATH = "model.safetensors"


def found(before: tuple[Shard, ...], after: tuple[Shard, ...]) -> list[tuple[str, str, str]]:
    """Status, last name and name of each change."""
    return [
        (change.status, change.before.name if change.before else "", change.after.name if change.after else "")
        for change in compare_checkpoint(PATH, before, after).changes
    ]


def statuses(changes: Iterable[Change]) -> dict[str, ChangeStatus]:
    return {change.name: change.status for change in changes}


def test_each_parameter_has_its_status_in_the_order_of_the_file() -> None:
    before = one(PATH, gone=b"gone", same=b"same", other=b"1", grown=b"1")
    after = one(PATH, new=b"new", other=b"2", grown=b"11", same=b"same")
    assert found(before, after) == [
        ("added", "", "new"),
        ("changed", "other", "other"),
        ("spec-changed", "grown", "grown"),
        ("unchanged", "same", "same"),
        ("removed", "gone", ""),
    ]


def test_l3_a_dtype_alone_is_a_change_of_spec() -> None:
    before, after = shard(PATH, entry("w", b"ab", "U8")), shard(PATH, entry("w", b"ab", "I8"))
    assert found((before,), (after,)) == [("spec-changed", "w", "w")]


def test_storage_is_not_compared() -> None:
    first = entry("w", b"ab")
    second = first._replace(storage=Storage(Coding("dense", "planes"), Place("0" * 64, 40)))
    assert found((shard(PATH, first),), (shard(PATH, second),)) == [("unchanged", "w", "w")]


def test_a_checkpoint_that_was_not_there_is_added() -> None:
    comparison = compare_checkpoint(PATH, (), one(PATH, w=b"1"))
    assert statuses(comparison.changes) == {"w": ChangeStatus.ADDED}
    assert not comparison.rest_changed
    assert statuses(compare_checkpoint(PATH, one(PATH, w=b"1"), ()).changes) == {"w": ChangeStatus.REMOVED}


def test_the_same_bytes_under_another_name_are_renamed() -> None:
    assert found(one(PATH, old=b"1"), one(PATH, new=b"1")) == [("renamed", "old", "new")]


def test_nothing_is_renamed_while_its_name_is_still_there() -> None:
    """Two equal tensors, of which one was added."""
    before, after = one(PATH, first__bias=b"00"), one(PATH, first__bias=b"00", second__bias=b"00")
    assert found(before, after) == [("unchanged", "first.bias", "first.bias"), ("added", "", "second.bias")]


def test_equal_bytes_of_another_shape_are_not_renamed() -> None:
    before, after = shard(PATH, entry("a", b"0000", "U8", (4,))), shard(PATH, entry("b", b"0000", "U8", (2, 2)))
    assert found((before,), (after,)) == [("added", "", "b"), ("removed", "a", "")]


def test_among_equal_tensors_names_that_are_most_alike_are_renamed() -> None:
    """All are zeros: layers are recognised by the ends of their names, then by their numbers, and last by order."""
    before = one(PATH, h__0__mlp__bias=b"00", h__1__mlp__bias=b"00", h__0__norm__mean=b"00", h__7__x=b"00")
    after = one(PATH, m__7__y=b"00", m__1__ffn__bias=b"00", m__0__norm__mean=b"00", m__0__ffn__bias=b"00")
    assert sorted(found(before, after)) == [
        ("renamed", "h.0.mlp.bias", "m.0.ffn.bias"),
        ("renamed", "h.0.norm.mean", "m.0.norm.mean"),
        ("renamed", "h.1.mlp.bias", "m.1.ffn.bias"),
        ("renamed", "h.7.x", "m.7.y"),
    ]


def test_a_new_prefix_renames_everything_in_order() -> None:
    layers = range(40)
    before = shard(PATH, *(entry(f"layers.{layer}.bias", b"00") for layer in layers))
    after = shard(PATH, *(entry(f"model.layers.{layer}.bias", b"00") for layer in reversed(layers)))
    assert all(now == f"model.{was}" for _, was, now in found((before,), (after,)))


def test_what_is_in_another_shard_has_moved() -> None:
    first, second = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
    before = (shard(first, entry("a", b"1"), entry("b", b"2")), shard(second, entry("c", b"3")))
    after = (shard(first, entry("a", b"1")), shard(second, entry("b", b"2"), entry("c", b"4")))
    assert found(before, after) == [("unchanged", "a", "a"), ("moved", "b", "b"), ("changed", "c", "c")]


def test_a_shard_keeps_its_number_when_there_are_more() -> None:
    before = (shard("m-00001-of-00001.bin", entry("a", b"1"), entry("b", b"2")),)
    after = (shard("m-00001-of-00002.bin", entry("a", b"1")), shard("m-00002-of-00002.bin", entry("b", b"2")))
    assert found(before, after) == [("unchanged", "a", "a"), ("moved", "b", "b")]


def test_a_file_that_was_renamed_moved_nothing() -> None:
    assert found(one("old.bin", w=b"1"), one("new.bin", w=b"1")) == [("unchanged", "w", "w")]


def test_names_of_one_tensor_are_one_change() -> None:
    before, after = (shard(PATH, tied(entry("embed", data), "head")) for data in (b"1", b"2"))
    (change,) = compare_checkpoint(PATH, (before,), (after,)).changes
    assert (change.status, change.name, change.also) == (ChangeStatus.CHANGED, "embed", ("head",))


def test_a_tie_that_is_broken_makes_two_changes() -> None:
    before = shard(PATH, tied(entry("embed", b"1"), "head"))
    after = shard(PATH, entry("embed", b"1"), entry("head", b"2"))
    assert found((before,), (after,)) == [("unchanged", "embed", "embed"), ("changed", "head", "head")]


def test_windows_on_one_storage_change_together_and_keep_their_specs() -> None:
    views = View("q", "U8", (2,)), View("k", "U8", (2,), offset=2)
    before, after = (shard(PATH, entry("q", data)._replace(views=views)) for data in (b"1234", b"1235"))
    (change,) = compare_checkpoint(PATH, (before,), (after,)).changes
    assert (change.status, change.name, change.also) == (ChangeStatus.CHANGED, "q", ("k",))
    longer = shard(PATH, entry("q", b"1235")._replace(views=(views[0]._replace(shape=(1,)), views[1])))
    assert found((before,), (longer,)) == [("spec-changed", "q", "q"), ("changed", "k", "k")]


@pytest.mark.parametrize(
    ("after", "rest"),
    [
        (shard(PATH, entry("w", b"2"), frame=b"{}"), False),
        (shard(PATH, entry("w", b"1"), frame=b"{ }"), True),
        (shard(PATH, entry("w", b"1"), entry(None, b"run"), frame=b"{}"), True),
    ],
)
def test_what_is_no_parameter_is_the_rest(after: Shard, rest: bool) -> None:
    assert compare_checkpoint(PATH, (shard(PATH, entry("w", b"1"), frame=b"{}"),), (after,)).rest_changed is rest


def test_a_thousand_parameters_are_compared_quickly() -> None:
    """Also where all of them are equal and every one was renamed. 1.7 units of work."""
    before = shard(PATH, *(entry(f"model.layers.{layer}.mlp.bias", b"00") for layer in range(1000)))
    after = shard(PATH, *(entry(f"h.{layer}.ffn.bias", b"00") for layer in range(1000)))
    changes = compare_checkpoint(PATH, (before,), (after,)).changes
    assert takes_fewer_units(10, lambda: compare_checkpoint(PATH, (before,), (after,)))
    assert statuses(changes) == {f"h.{layer}.ffn.bias": ChangeStatus.RENAMED for layer in range(1000)}
