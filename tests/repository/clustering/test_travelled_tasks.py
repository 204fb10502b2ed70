"""Checks and measures that travelled say what they say at home."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.compare import compare_checkpoint
from git_theta.manifest.model import Manifest
from git_theta.manifest.new_parts import NewParts
from git_theta.merging.change_sums import add_up_facts
from git_theta.merging.planning.plan import Plan, plan_merge
from git_theta.operations.comparing.diff_report import build_report
from git_theta.operations.context import NOT_SHOWN, Context
from git_theta.operations.keeping.inventory import ManifestBlob, take_inventory
from git_theta.operations.keeping.verify import verify_objects
from git_theta.operations.merging.apply_plan import apply_plan, sort_contested
from git_theta.operations.merging.measured_changes import measure_jobs, measure_merge
from git_theta.operations.merging.merge_report import record_merge
from git_theta.operations.merging.merge_results import MergeSettings
from git_theta.repository.clustering.task_worker import run_tasks
from git_theta.repository.clustering.travel_codec import TravelCodec
from git_theta.store.memory import MemoryStore
from tests.operations.stored_checkpoints import always, stored
from tests.repository.clustering.loopback_engine import LoopbackEngine
from tests.sandbox import model

SHAPES: dict[str, int | tuple[int, ...]] = {"a.weight": (700, 600), "b.weight": (600, 700), "bias": 32}


def find_defects(manifest: Manifest, context: Context) -> list[tuple[str, str, tuple[str, ...]]]:
    parts = tuple(manifest.parts())
    size = sum(part.size for part in parts)
    needed = take_inventory([ManifestBlob("model.safetensors", "blob", NewParts(size, size, parts))])
    found = verify_objects(needed, context.store, context.engine, NOT_SHOWN)
    return [(repr(one.error), one.object, one.parameters) for one in found]


def test_a_check(context: Context) -> None:
    manifest = stored(context, model(1, **SHAPES))
    travelling = context._replace(choose_engine=LoopbackEngine, progress=NOT_SHOWN)
    assert find_defects(manifest, travelling) == []
    assert isinstance(context.store, MemoryStore)
    lost, cut, *_ = sorted(context.store.oids())
    context.store.delete(lost)
    context.store._objects[cut] = context.store._objects[cut][:-1]
    found = find_defects(manifest, travelling)
    assert [oid for _, oid, _ in sorted(found, key=lambda one: one[1])] == [lost, cut]
    assert found == find_defects(manifest, context)


def test_the_numbers_of_a_diff(context: Context) -> None:
    versions = [stored(context, model(seed, **SHAPES)) for seed in (1, 2)]
    comparison = compare_checkpoint("m", *((Shard("m", one),) for one in versions))
    travelling = context._replace(choose_engine=LoopbackEngine)
    report = build_report(comparison, travelling, measures=("sign-flips",))
    assert report == build_report(comparison, context, measures=("sign-flips",))
    assert all(row.measures and row.measures.further for row in report.rows)


@pytest.fixture
def plan(context: Context) -> Plan:
    base, *heads = (stored(context, model(seed, **SHAPES)) for seed in range(3))
    return plan_merge(base, heads)


def test_the_measures_of_a_report(context: Context, plan: Plan) -> None:
    merged = apply_plan(plan, always("average"), MergeSettings(), context)
    travelling = context._replace(choose_engine=LoopbackEngine)
    at_home = measure_merge(merged, context)
    assert sorted(at_home.computed) == sorted(SHAPES)
    assert record_merge("m", merged, measure_merge(merged, travelling)) == record_merge("m", merged, at_home)


def test_the_measures_of_a_plan(context: Context, plan: Plan) -> None:
    travelling = context._replace(choose_engine=LoopbackEngine)
    _, jobs, _ = sort_contested(plan, always("ties"), MergeSettings(), context)
    facts = add_up_facts(measure_jobs(jobs, travelling).values())
    assert facts and facts.ratio and facts == add_up_facts(measure_jobs(jobs, context).values())


def test_whatever_a_task_raises_is_told_as_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What raises on a worker dask cannot always carry, and then it waits for ever."""
    monkeypatch.setattr("distributed.get_worker", lambda: SimpleNamespace(address="tcp://host:1"))
    answer = TravelCodec({}).decode(run_tasks("no terms", b"", b""))
    assert str(answer.error).startswith("JSONDecodeError: ")
    assert answer.worker == "tcp://host:1"
