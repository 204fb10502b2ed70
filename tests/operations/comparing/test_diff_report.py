"""Two stored versions to a report: in order, on workers, and whole where an object is not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.base import ChangeStatus, Comparison, Measures, Report
from git_theta.diffing.compare import compare_checkpoint
from git_theta.errors import UsageError
from git_theta.manifest.model import Manifest
from git_theta.operations.comparing.diff_report import SORTS, build_report
from git_theta.operations.context import Context
from git_theta.operations.workers import WHOLE_LIMIT
from git_theta.store.memory import MemoryStore
from tests.operations.stored_checkpoints import stored
from tests.sandbox import model, safetensors_bytes

PATH = "model.safetensors"


def file(values: dict[str, list[float]], metadata: dict[str, str] | None = None) -> bytes:
    return safetensors_bytes(
        {name: ("F32", (len(each),), np.array(each, "<f4").tobytes()) for name, each in values.items()}, metadata
    )


def versions(before: Manifest | None, after: Manifest | None) -> Comparison:
    return compare_checkpoint(PATH, *((Shard(PATH, each),) if each else () for each in (before, after)))


@pytest.fixture
def comparison(context: Context) -> Comparison:
    """Four parameters: one is unchanged, two changed, one was added."""
    before = file({"a": [1.0, 2.0], "b": [1.0, 0.0], "c": [0.0, 4.0]})
    after = file({"a": [1.0, 2.0], "b": [0.0, 1.0], "c": [0.0, 4.5], "d": [6.0, 8.0]})
    return versions(stored(context, before), stored(context, after))


def names(report: Report) -> list[str]:
    return [row.change.name for row in report.rows]


def test_rows_are_what_changed_in_the_order_of_the_file(comparison: Comparison, context: Context) -> None:
    report = build_report(comparison, context, labels=("HEAD~1", "HEAD"))
    assert names(report) == ["b", "c", "d"]
    assert [row.change.status for row in report.rows] == [
        ChangeStatus.CHANGED,
        ChangeStatus.CHANGED,
        ChangeStatus.ADDED,
    ]
    assert [row.measures for row in report.rows] == [
        Measures(2, 2, 1.0, 1.0, 2**0.5, 1.0, 0.0),
        Measures(2, 1, 4.0, 4.5, 0.5, 0.5, 1.0),
        Measures(2, norm_after=10.0),
    ]
    assert (report.labels, report.limited, report.failures) == (("HEAD~1", "HEAD"), 0, ())


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("file", ["b", "c", "d"]),
        ("name", ["b", "c", "d"]),
        ("norm", ["b", "c", "d"]),
        ("relative", ["b", "c", "d"]),
        ("largest", ["b", "c", "d"]),
        ("cosine", ["b", "c", "d"]),
        ("differing", ["b", "c", "d"]),
    ],
)
def test_rows_without_the_number_come_last(
    comparison: Comparison, context: Context, sort: str, expected: list[str]
) -> None:
    reversed_changes = comparison._replace(changes=tuple(reversed(comparison.changes)))
    report = build_report(reversed_changes, context, sort=sort)
    assert names(report) == (expected if sort != "file" else expected[::-1])


def test_a_limit_says_how_many_it_left_out(comparison: Comparison, context: Context) -> None:
    report = build_report(comparison, context, sort="largest", limit=1)
    assert (names(report), report.limited) == (["b"], 2)
    assert report.comparison.changes == comparison.changes


def test_a_person_may_ask_for_some(comparison: Comparison, context: Context) -> None:
    assert names(build_report(comparison, context, keep=lambda change: change.name in "ad")) == ["d"]


@pytest.mark.parametrize("sort", ["file", "name", "stored", "norm"])
def test_nothing_is_read_for_names(comparison: Comparison, context: Context, sort: str) -> None:
    empty = context._replace(store=MemoryStore(), fetch=asked_in_vain)
    report = build_report(comparison, empty, values=False, sort=sort)
    assert sorted(names(report)) == ["b", "c", "d"]
    assert {row.measures for row in report.rows} == {None}


def asked_in_vain(oids: Iterable[str]) -> list[str]:
    raise AssertionError(f"asked for {list(oids)}")


def test_an_unknown_key_is_refused(comparison: Comparison, context: Context) -> None:
    with pytest.raises(UsageError, match="sorted by size"):
        build_report(comparison, context, sort="size")
    assert SORTS


def test_the_same_report_for_large_and_small_tensors(context: Context) -> None:
    """Above HELD a tensor goes over all workers, block by block."""
    many = {f"l.{layer}": 1000 for layer in range(20)} | {"large": WHOLE_LIMIT // 4 + 1}
    before, after = (stored(context, model(seed, **many)) for seed in (1, 2))
    done: list[int] = []
    report = build_report(versions(before, after), context._replace(progress=done.append))
    assert names(report) == list(many)
    assert all(row.measures and row.measures.norm for row in report.rows)
    assert sum(done) == 2 * sum(4 * size for size in many.values())
    (large,) = (row.measures for row in report.rows if row.change.name == "large")
    values = [np.random.default_rng(seed) for seed in (1, 2)]
    drawn = [[generator.standard_normal(size, dtype=np.float32) for size in many.values()][-1] for generator in values]
    assert large
    assert large.norm == pytest.approx(float(np.linalg.norm(np.subtract(*drawn, dtype=np.float64))), rel=1e-12)


def without(context: Context, lost: Manifest, name: str) -> tuple[Context, str]:
    """A context that has everything but one parameter's object."""
    missing = next(entry.storage.place.object for entry in lost.entries if entry.name == name)
    store = MemoryStore()
    for oid in context.store.oids():
        if oid != missing:
            store.put([context.store.get(oid).read()])
    return context._replace(store=store), missing


BIG = {"a": 320_000, "b": 320_000, "c": 320_000}
"""Above what goes into a bundle."""


def test_a_missing_object_is_a_failure_of_its_row_alone(context: Context) -> None:
    before, after = (stored(context, model(seed, **BIG)) for seed in (1, 2))
    poor, missing = without(context, before, "b")
    report = build_report(versions(before, after), poor)
    assert names(report) == ["a", "b", "c"]
    assert [bool(row.measures) for row in report.rows] == [True, False, True]
    assert [row.change.name for row in report.failures] == ["b"]
    assert missing in report.failures[0].failure


def test_what_is_missing_is_fetched_at_once(context: Context) -> None:
    before, after = (stored(context, model(seed, **BIG)) for seed in (1, 2))
    poor, missing = without(context, after, "c")
    asked: list[list[str]] = []

    def fetch(oids: Iterable[str]) -> list[str]:
        asked.append(list(oids))
        poor.store.put([context.store.get(missing).read()])
        return []

    assert not build_report(versions(before, after), poor._replace(fetch=fetch)).failures
    assert asked == [[missing]]


def test_damaged_values_are_a_failure_of_their_row_alone(context: Context) -> None:
    before, after = (stored(context, model(seed, **BIG)) for seed in (1, 2))
    first, second, third = after.entries
    swapped = after._replace(entries=(first, second._replace(storage=first.storage), third))
    report = build_report(versions(before, swapped), context)
    assert [(row.change.name, "does not hold" in row.failure) for row in report.failures] == [("b", True)]


@pytest.mark.parametrize(
    ("values", "metadata", "rest"),
    [
        ({"w": [1.0], "v": [2.0]}, {}, False),
        ({"w": [1.0]}, {"step": "2"}, True),
        ({"w": [1.0], "v": [2.0]}, {"step": "2"}, True),
    ],
)
def test_the_format_knows_whether_metadata_changed_too(
    context: Context, values: dict[str, list[float]], metadata: dict[str, str], rest: bool
) -> None:
    """A header lists parameters as well: ids alone see that it is another one."""
    comparison = versions(stored(context, file({"w": [1.0]})), stored(context, file(values, metadata or None)))
    assert comparison.rest_changed
    assert build_report(comparison, context, values=False).comparison.rest_changed is rest


PROBE = """\
import json, sys
from pathlib import Path
from git_theta.checkpoints.shards import Shard
from git_theta.diffing.compare import compare_checkpoint
from git_theta.manifest.text import decode_manifest
from git_theta.operations.context import Context
from git_theta.operations.comparing.diff_report import build_report
from git_theta.operations.state_database import StateDatabase
from git_theta.operations.workers import Workers
from git_theta.store.local import LocalStore

folder = Path(sys.argv[1])
before, after = (Shard("m", decode_manifest((folder / name).read_bytes())) for name in ("before", "after"))
context = Context(LocalStore(folder / "theta"), StateDatabase(folder / "state"), Workers(), folder, print)
report = build_report(compare_checkpoint("m", [before], [after]), context, values=sys.argv[2] == "values")
print(json.dumps([len(report.rows), sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.mark.parametrize("values", ["names", "values"])
def test_l8_names_need_no_numpy_and_nothing_needs_torch(tmp_path: Path, context: Context, values: str) -> None:
    from git_theta.manifest.text import encode_manifest
    from git_theta.store.local import LocalStore

    local = context._replace(store=LocalStore(tmp_path / "theta"))
    for name, seed in (("before", 1), ("after", 2)):
        (tmp_path / name).write_bytes(encode_manifest(stored(local, model(seed))))
    (tmp_path / "probe.py").write_text(PROBE)
    done = subprocess.run(
        [sys.executable, "-I", tmp_path / "probe.py", tmp_path, values], check=True, capture_output=True, text=True
    )
    rows, modules = json.loads(done.stdout)
    assert rows == 3
    assert ("numpy" in modules) is (values == "values")
    assert "torch" not in modules
