"""L2: what a writer writes, every reader reads: both hold the same limits, and what does not fit is refused at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_theta.errors import ManifestError
from git_theta.formats import layout
from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage, View
from git_theta.manifest.text import MAX_MANIFEST, MAX_NAMES, decode_manifest, encode_manifest
from tests.effort import choose_tries

A = "a" * 64
STORAGE = Storage(Coding("dense", "raw"), Place(A, 1000, (8, 8)))
ENTRY = Entry(A, 8, STORAGE, "w", "F64", ())
LARGEST = (1 << 63) - 1


def manifest(*entries: Entry, **rest: Any) -> Manifest:
    return Manifest("torch", 8, entries, **rest)


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = {"x": value} if level % 2 else [value]
    return value


def parameters(count: int) -> tuple[Entry, ...]:
    return tuple(ENTRY._replace(name=f"layers.{number}.weight") for number in range(count))


def views(count: int) -> tuple[View, ...]:
    return tuple(View(f"embedding.token_{number:06d}", "F32", (8,), None, 8 * number + 8) for number in range(count))


READ: dict[str, Callable[[], Manifest]] = {
    "a name of 5 MB": lambda: manifest(ENTRY._replace(name="n" * 5_000_000)),
    "a name of control characters": lambda: manifest(ENTRY._replace(name="".join(map(chr, range(1, 0xA0))) + "\u2028")),
    "64 dimensions of the largest size": lambda: manifest(ENTRY._replace(shape=(LARGEST,) * 64, size=LARGEST)),
    "as many names as formats find": lambda: manifest(*parameters(layout.MAX_NAMES)),
    "60,000 views of one storage": lambda: manifest(ENTRY._replace(views=views(60_000))),
    "nearly as many views as names": lambda: manifest(ENTRY._replace(views=views(MAX_NAMES - 1))),
    "a stride of 64 dimensions": lambda: manifest(
        ENTRY._replace(views=(View("v", "F64", (1,) * 64, (LARGEST,) * 64),))
    ),
    "unknown keys 64 deep": lambda: manifest(extra={"x": nested(60)}),
    "quotes that look like JSON": lambda: manifest(ENTRY._replace(name='a","dtype":"U8","shape":[1],"size":1')),
}
REFUSED: dict[str, Callable[[], Manifest]] = {
    "a name of 17 MB": lambda: manifest(ENTRY._replace(name="n" * 17_000_000)),
    "a lone surrogate": lambda: manifest(ENTRY._replace(name="a\ud800")),
    "a NUL": lambda: manifest(ENTRY._replace(name="a\0b")),
    "an empty name": lambda: manifest(ENTRY._replace(name="")),
    "an empty name of a view": lambda: manifest(ENTRY._replace(views=(View("", "F64", ()),))),
    "a name twice": lambda: manifest(ENTRY, ENTRY),
    "a name that a view has": lambda: manifest(ENTRY, ENTRY._replace(name="v", views=(View("w", "F64", ()),))),
    "65 dimensions": lambda: manifest(ENTRY._replace(shape=(1,) * 65)),
    "a dimension beyond 63 bits": lambda: manifest(ENTRY._replace(shape=(LARGEST + 1,))),
    "a negative dimension": lambda: manifest(ENTRY._replace(shape=(-1,))),
    "a size that is a truth value": lambda: manifest(ENTRY._replace(size=True)),
    "a size beyond 63 bits": lambda: manifest(ENTRY._replace(size=LARGEST + 1)),
    "a file beyond 63 bits": lambda: manifest()._replace(size=LARGEST + 1),
    "a range beyond its object": lambda: manifest(ENTRY._replace(storage=STORAGE._replace(place=Place(A, 1, (1, 1))))),
    "an oid in capitals": lambda: manifest(ENTRY._replace(oid="A" * 64)),
    "a fraction in an unknown key": lambda: manifest(extra={"x": 0.5}),
    "an integer beyond 64 bits in an unknown key": lambda: manifest(extra={"x": 1 << 63}),
    "unknown keys 80 deep": lambda: manifest(extra={"x": nested(80)}),
    "unknown keys a million deep": lambda: manifest(extra={"x": nested(1_000_000)}),
    "a frame with a name": lambda: manifest(frame=ENTRY),
    "a dtype for what has no name": lambda: manifest(ENTRY._replace(name=None, views=(View("v", "F64", ()),))),
    "200,000 names": lambda: manifest(*parameters(200_000)),
    "200,000 views": lambda: manifest(ENTRY._replace(views=views(200_000))),
    "more than 64 MiB": lambda: manifest(*(ENTRY._replace(name=f"{n}" + "n" * 10_000_000) for n in range(7))),
}  # fmt: skip


@pytest.mark.parametrize("make", READ.values(), ids=READ)
def test_l2_what_is_written_is_read(make: Callable[[], Manifest]) -> None:
    one = make()
    text = encode_manifest(one)
    assert len(text) <= MAX_MANIFEST
    assert decode_manifest(text) == one


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_l2_what_would_not_be_read_is_not_written(make: Callable[[], Manifest]) -> None:
    one = make()
    with pytest.raises(ManifestError) as caught:
        encode_manifest(one)
    assert caught.value.hint
    assert len(caught.value.message) < 1000


def test_a_writer_finds_as_many_names_as_a_reader_takes() -> None:
    assert layout.MAX_NAMES == MAX_NAMES


numbers = st.integers(-2, 1 << 64) | st.sampled_from([LARGEST, LARGEST + 1, 0])
texts = st.text(st.characters(), max_size=4) | st.sampled_from(["w", "F32", "", "\0", "\ud800", '"', "\\", "\n", "é"])
shapes = st.lists(numbers, max_size=3).map(tuple) | st.sampled_from([(1,) * 64, (1,) * 65])


def build(kind: Callable[..., Any], *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of a kind from the values of its parts: hypothesis would guess at those with defaults, and cannot."""
    return st.tuples(*parts).map(lambda drawn: kind(*drawn))


some = st.sampled_from([A, "b" * 64, "x", A.upper()])
rests = st.lists(st.tuples(some, numbers), max_size=3).map(tuple)
places = build(Place, some, numbers, st.none() | st.tuples(numbers, numbers), rests)
extras = st.dictionaries(texts, st.none() | numbers | texts | st.floats() | st.lists(numbers, max_size=2), max_size=2)
storages = build(Storage, build(Coding, texts, texts), places, extras) | st.just(STORAGE)
seen = build(View, texts, texts, shapes, st.none() | shapes, numbers, extras)
ids = st.sampled_from([A, "", "g" * 64])
entries = build(
    Entry, ids, numbers, storages, st.none() | texts, texts, shapes, st.lists(seen, max_size=2).map(tuple), extras
)
likely = st.tuples(texts, texts, shapes, numbers).map(
    lambda drawn: ENTRY._replace(name=drawn[0], dtype=drawn[1], shape=drawn[2], size=drawn[3])
)
manifests = build(
    Manifest, texts, numbers, st.lists(likely | entries, max_size=3).map(tuple), st.none() | entries, extras
)


@settings(max_examples=choose_tries(few=100, many=300), deadline=None)
@given(manifests)
def test_l2_whatever_is_written_is_read(one: Manifest) -> None:
    try:
        text = encode_manifest(one)
    except ManifestError:
        return
    assert encode_manifest(decode_manifest(text)) == text


def test_many_views_cost_as_much_as_many_parameters() -> None:
    """What looks for a view among all of its entry's takes the square of their number: two minutes for these."""
    from git_theta.checkpoints.shards import Shard
    from git_theta.diffing.compare import compare_checkpoint
    from git_theta.merging.planning.plan import plan_merge

    one = manifest(ENTRY._replace(views=views(20_000)))
    other = manifest(ENTRY._replace(views=views(20_000), oid="b" * 64))
    started = time.process_time()
    (change,) = compare_checkpoint("m.pt", [Shard("m.pt", one)], [Shard("m.pt", other)]).changes
    assert len(change.also) == 20_000
    assert len(plan_merge(one, [other, manifest(ENTRY._replace(views=views(20_000), oid="c" * 64))]).contested) == 1
    assert time.process_time() - started < 20
