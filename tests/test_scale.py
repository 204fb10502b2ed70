"""A hundred thousand parameters within the budget: what a parameter costs, in bytes of memory, for ten thousand.

Bytes as Python counts them, which do not depend on the machine. The benchmark runs the real commands at the full size.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.compare import compare_checkpoint
from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage
from git_theta.manifest.new_parts import ManifestReader
from git_theta.manifest.text import decode_manifest, encode_manifest
from git_theta.merging.planning.plan import plan_merge
from git_theta.operations.keeping.inventory import ManifestBlob, take_inventory

COUNT = 10_000
PATH = "model.safetensors"


class Memory(NamedTuple):
    """Bytes for each parameter: at most at a time, and left when done."""

    peak: float
    left: float


@contextmanager
def measured() -> Iterator[Callable[[], Memory]]:
    """Says what was allocated since."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]

    def read() -> Memory:
        left, peak = tracemalloc.get_traced_memory()
        return Memory((peak - before) / COUNT, (left - before) / COUNT)

    try:
        yield read
    finally:
        tracemalloc.stop()


def text_of(version: int) -> bytes:
    """A mixture of experts in small bundles; each version has other values everywhere."""
    entries = []
    for number in range(COUNT):
        layer, expert = divmod(number, 256)
        name = f"model.layers.{layer}.mlp.experts.{expert}.up_proj.weight"
        place = Place(f"{version * COUNT + number // 2000:064x}", 2000 * 64, (number % 2000 * 64, 64))
        oid = f"{version * COUNT + number:064x}"
        entries.append(Entry(oid, 64, Storage(Coding("dense", "raw"), place), name, "F32", (4, 4)))
    return encode_manifest(Manifest("safetensors", 64 * COUNT, tuple(entries)))


@pytest.fixture(scope="module")
def texts() -> Iterator[list[bytes]]:
    """The versions. Their names are interned before anything is measured, and stay.

    Else Python's table of such strings would be counted, which doubles at a size that depends on the tests before: 0 to
    390 bytes for each parameter.
    """
    made = [text_of(version) for version in range(3)]
    names = [entry.name for entry in decode_manifest(made[0]).entries]
    yield made
    assert len(names) == COUNT


def test_l6_a_manifest_is_read_and_written_without_a_copy_of_its_lines(texts: list[bytes]) -> None:
    size = len(texts[0]) / COUNT
    with measured() as memory:
        manifest = decode_manifest(texts[0])
        read = memory()
    assert read.left < 510
    assert read.peak < 1.3 * read.left, "lines, and what they are parsed into, are let go"
    with measured() as memory:
        text = encode_manifest(manifest)
        written = memory()
    assert text == texts[0]
    assert written.peak < 2.5 * size


def test_l6_three_versions_that_differ_everywhere_are_planned_within_the_budget(texts: list[bytes]) -> None:
    """100,000 parameters: 250 MB; the rest of 300 is Python, and the text of the result."""
    with measured() as memory:
        base, ours, theirs = map(decode_manifest, texts)
        plan = plan_merge(base, [ours, theirs])
        assert len(plan.contested) == COUNT
        assert memory().peak < 2500


def test_l6_two_versions_are_compared_within_the_budget(texts: list[bytes]) -> None:
    before, after = (Shard(PATH, decode_manifest(text)) for text in texts[:2])
    with measured() as memory:
        assert len(compare_checkpoint(PATH, [before], [after]).changes) == COUNT
        assert memory().peak < 600


def test_l6_what_two_versions_need_is_listed_within_the_budget(texts: list[bytes]) -> None:
    with measured() as memory:
        reader = ManifestReader()
        found = take_inventory(ManifestBlob(PATH, str(at), reader.read_new_parts(texts[at])) for at in (0, 1, 0))
        assert sum(map(len, found.objects.values())) == 2 * COUNT
        peak, left = memory()
    assert left < 2 * 350, "what a part and its line leave behind"
    assert peak < left + 700, "the entries of one manifest at a time"


def test_what_did_not_change_is_held_once(texts: list[bytes]) -> None:
    """Names and bundles of all versions that are open are the same objects."""
    one, other = decode_manifest(texts[0]), decode_manifest(texts[1])
    assert all(ours.name is theirs.name for ours, theirs in zip(one.entries, other.entries, strict=True))
    assert len({id(entry.storage.place.object) for entry in one.entries}) == COUNT // 2000
