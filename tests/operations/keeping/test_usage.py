"""What takes space: rows whose sums count each object once."""

from __future__ import annotations

from collections.abc import Iterable

from git_theta.manifest.model import Coding, Entry, Place, Storage, UpdateBase
from git_theta.manifest.new_parts import NewParts
from git_theta.operations.keeping.inventory import ManifestBlob
from git_theta.operations.keeping.usage import (
    UNUSED,
    UsageRow,
    UsageTable,
    measure_checkpoints,
    measure_commits,
    measure_updates,
)

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)


def part(name: str, *places: tuple[str, int], update: str = "dense", at: tuple[int, int] | None = None) -> Entry:
    place = Place.of_objects(places)._replace(range=at)
    return Entry(name * 64, 8, Storage(Coding(update, "raw"), place), name)


def manifest(path: str, blob: str, *parts: Entry) -> ManifestBlob:
    return ManifestBlob(path, blob, NewParts(0, 0, parts))


def by_label(table: UsageTable) -> dict[str, UsageRow]:
    rows = {row.label: row for row in table.rows}
    assert len(rows) == len(table.rows)
    return rows


def assert_sums(table: UsageTable) -> None:
    assert sum(row.alone for row in table.rows) + table.shared == sum(table.objects.values())


def test_what_checkpoints_share_is_nobodys_alone() -> None:
    table = measure_checkpoints(
        [
            manifest("one", "1", part("x", (A, 10)), part("y", (B, 100))),
            manifest("two", "2", part("x", (A, 10)), part("z", (C, 1000))),
            manifest("two", "3", part("w", (C, 1000)), part("v", (D, 10000))),
        ]
    )
    assert by_label(table) == {"one": UsageRow("one", 1, 2, 110, 100), "two": UsageRow("two", 2, 3, 11010, 11000)}
    assert table.objects == {A: 10, B: 100, C: 1000, D: 10000}
    assert table.shared == 10
    assert_sums(table)


def test_update_bases_and_series_are_needed_too() -> None:
    base = UpdateBase("e" * 64, 8, "F32", (2,), Coding("dense", "raw"), Place(B, 100))
    relative = Entry("f" * 64, 8, Storage(Coding("delta", "planes", chain=(base,)), Place(A, 10)), "x")
    table = measure_checkpoints([manifest("one", "1", relative, part("y", (C, 1000), (D, 10000)))])
    assert by_label(table) == {"one": UsageRow("one", 1, 4, 11110, 11110)}


def test_an_object_counts_for_the_commit_that_brought_it() -> None:
    commits = {"1": "first", "2": "second", "3": "second"}
    table = measure_commits(
        [
            manifest("one", "1", part("x", (A, 10)), part("y", (B, 100))),
            manifest("one", "2", part("x", (A, 10)), part("z", (C, 1000))),
            manifest("two", "3", part("z", (C, 1000)), part("w", (D, 10000))),
        ],
        commits.__getitem__,
        before={B},
    )
    assert by_label(table) == {
        "first": UsageRow("first", 1, 1, 10, 10),
        "second": UsageRow("second", 2, 2, 11000, 11000),
    }
    assert table.shared == 0
    assert_sums(table)


def test_payloads_of_one_object_are_told_apart() -> None:
    base = UpdateBase("e" * 64, 8, "F32", (2,), Coding("dense", "raw"), Place(A, 100, (0, 40)))
    parts = [
        part("x", (A, 100), at=(0, 40)),
        Entry("f" * 64, 8, Storage(Coding("delta", "planes", chain=(base,)), Place(A, 100, (50, 20))), "y"),
        part("z", (C, 7), (D, 9)),
    ]
    table = measure_updates([manifest("one", "1", *parts), manifest("two", "2", *parts)])
    assert by_label(table) == {
        "dense": UsageRow("dense", 3, 3, 56, 56),
        "delta": UsageRow("delta", 1, 1, 20, 20),
        UNUSED: UsageRow(UNUSED, 0, 0, 40, 40),
    }
    assert_sums(table)


def test_nothing_takes_no_space() -> None:
    nothing: Iterable[ManifestBlob] = ()
    for table in (measure_checkpoints(nothing), measure_updates(nothing), measure_commits(nothing, str)):
        assert table == UsageTable([], {})
        assert table.shared == 0
