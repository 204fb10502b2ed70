"""What a merge computed is not computed again, unless anything that it depends on is another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from git_theta.manifest.model import DENSE, Coding, Entry, Place, Storage, UpdateBase
from git_theta.merging.base import Contest, ContestReport, Strategy
from git_theta.merging.execution import merge_bytes
from git_theta.merging.planning.plan import plan_merge
from git_theta.operations.context import Context
from git_theta.operations.merging import computed_results, contest_results
from git_theta.operations.merging.apply_plan import apply_plan
from git_theta.operations.merging.merge_results import MergeResult, MergeSettings
from git_theta.tensors.arrays import Buffer
from tests.integration.three_branches import BASE, added
from tests.operations.stored_checkpoints import always, bytes_of, stored

FILES = (BASE, added(BASE, a__weight=1, a__bias=2), added(BASE, a__weight=3, a__bias=6))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the parameters that were computed."""
    names: list[str] = []

    def merge_noted(strategy: Strategy, contest: Contest) -> Iterator[Buffer]:
        names.append(contest.name)
        return merge_bytes(strategy, contest)

    monkeypatch.setattr(contest_results, "merge_bytes", merge_noted)
    return names


def merge(context: Context, strategy: str = "average", files: tuple[bytes, ...] = FILES, seed: int = 0) -> MergeResult:
    base, *heads = (stored(context, file) for file in files)
    return apply_plan(plan_merge(base, heads), always(strategy), MergeSettings(seed=seed), context)


def test_the_same_merge_computes_nothing_and_tells_the_same(context: Context, computed: list[str]) -> None:
    first = merge(context, "slerp")
    assert sorted(computed) == ["a.bias", "a.weight"]
    again = merge(context, "slerp")
    assert sorted(computed) == ["a.bias", "a.weight"]
    assert bytes_of(again.manifest, context) == bytes_of(first.manifest, context)
    assert [one.report for one in again.applied] == [one.report for one in first.applied]


def test_only_what_has_other_inputs_is_computed(context: Context, computed: list[str]) -> None:
    merge(context)
    computed.clear()
    merge(context, files=(*FILES[:2], added(BASE, a__weight=3, a__bias=7)))
    assert computed == ["a.bias"]


@pytest.mark.parametrize(("strategy", "seed"), [("ties", 0), ("average", 1)])
def test_another_strategy_or_seed_computes(context: Context, computed: list[str], strategy: str, seed: int) -> None:
    merge(context)
    computed.clear()
    merge(context, strategy, seed=seed)
    assert sorted(computed) == ["a.bias", "a.weight"]


def test_a_strategy_that_was_edited_computes(
    context: Context, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    merge(context)
    computed.clear()
    monkeypatch.setattr(computed_results, "_hash_source", lambda _: "edited")
    merge(context)
    assert sorted(computed) == ["a.bias", "a.weight"]


def test_a_result_whose_object_is_gone_is_computed(context: Context, computed: list[str]) -> None:
    done = merge(context)
    computed.clear()
    for entry in done.manifest.parameters():
        if entry.name == "a.bias":
            context.store.delete(entry.storage.place.object)
    merge(context)
    assert "a.bias" in computed


def test_a_result_that_is_stored_as_a_difference_is_among_what_is_remembered(context: Context) -> None:
    """It came out as a tensor that was trained: then its storage is known by dtype and shape too, not by oid alone."""
    base = UpdateBase("b" * 64, 4096, "F32", (1024,), Coding(DENSE, "raw"), Place("c" * 64, 4096))
    storage = Storage(Coding("delta", "frames", chain=(base,)), Place("d" * 64, 100))
    entry = Entry("a" * 64, 4096, storage, "w", "F32", (1024,))
    context.state.remember_storages([entry])
    computed_results.remember_results({"key": (entry, ContestReport())}, context)
    assert computed_results.find_remembered_objects(context) == {"c" * 64, "d" * 64}
