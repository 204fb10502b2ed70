"""What new parts build on: the nearest version of the parameter, that is here, and as deep as somebody wants chains."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import cache, partial

import pytest

from git_theta.errors import CorruptObject
from git_theta.known_plugins import BUILT_IN
from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage
from git_theta.manifest.text import decode_manifest
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.part_label import PartLabel
from git_theta.operations.adding.part_writer import PartWriter
from git_theta.operations.adding.split import SplitFile, split_source
from git_theta.operations.adding.update_bases import SMALLEST_PART, SMALLEST_UNASKED, UpdateBases
from git_theta.operations.context import Context
from git_theta.operations.keeping.repack_parts import choose_repacks
from git_theta.operations.streams import BytesSource
from git_theta.parameters.entry_spec import spec_of
from git_theta.parameters.preferences import Preferences
from git_theta.parameters.stored_values import StoredValues
from git_theta.parameters.value_decoding import read_values
from git_theta.store.memory import MemoryStore
from git_theta.tensors.arrays import BLOCK
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.blocks import noise_bytes, weight_bytes
from tests.sandbox import safetensors_bytes

DIFFERENCES = Preferences(("difference", "dense"), depth=3)
SIZE = 3 * BLOCK + 400
PATH = "model.safetensors"


@pytest.fixture(autouse=True)
def small_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The updates of ``tests.testing.sample_updates``, as if they were installed."""
    for name, kind in (("difference", "Difference"), ("xor-any", "Xor")):
        monkeypatch.setitem(BUILT_IN["updates"], name, f"tests.testing.sample_updates:{kind}Update")


@pytest.fixture
def context(context: Context) -> Context:
    return context._replace(preferences=lambda: DIFFERENCES)


@cache
def weights(size: int) -> bytes:
    whole, rest = divmod(size, SIZE)
    return weight_bytes(SIZE) * whole + weight_bytes(rest)


def version(number: int, size: int = SIZE) -> bytes:
    """A tensor after so many steps: all of it moved a little, other than before."""
    return weights(size).translate(bytes((value + 7 * number) % 256 for value in range(256)))


def model(data: bytes, dtype: str = "F32", shape: tuple[int, ...] | None = None, name: str = "w") -> bytes:
    return safetensors_bytes({name: (dtype, shape or (len(data) * 8 // BY_NAME[dtype].bits,), data)})


def add(content: bytes, context: Context, before: Sequence[Manifest] = (), index: Manifest | None = None) -> Manifest:
    """What becomes of a file where these versions are before it, and the index has one."""
    return decode_manifest(split(content, context, before, index).text)


def split(
    content: bytes, context: Context, before: Iterable[Manifest] = (), index: Manifest | None = None
) -> SplitFile:
    here = context._replace(earlier_manifests=lambda _: before, staged_manifest=lambda _: index)
    return split_source(BytesSource(content), PATH, here, keep=True)


def only(manifest: Manifest) -> Entry:
    (entry,) = manifest.parameters()
    return entry


def bases_of(manifest: Manifest) -> list[str]:
    return [link.oid for link in only(manifest).storage.coding.chain]


def read(manifest: Manifest, context: Context) -> bytes:
    return b"".join(read_values(only(manifest), context.store, map))


@pytest.mark.parametrize("size", [SMALLEST_UNASKED, SIZE, (16 << 20) + 4 * BLOCK])
def test_a_new_part_builds_on_the_version_before(context: Context, size: int) -> None:
    first = add(model(version(0, size)), context)
    second = add(model(version(1, size)), context, [first], first)
    assert bases_of(second) == [only(first).oid]
    assert read(second, context) == version(1, size)


def test_a_part_that_is_read_sooner_without_a_base_has_none(context: Context) -> None:
    first = add(model(version(0, SMALLEST_UNASKED - 4)), context)
    assert bases_of(add(model(version(1, SMALLEST_UNASKED - 4)), context, [first])) == []


@pytest.mark.parametrize(("size", "is_found"), [(SMALLEST_PART, True), (SMALLEST_PART - 4, False)])
def test_it_has_one_where_a_person_names_the_update(context: Context, size: int, is_found: bool) -> None:
    first = add(model(version(0, size)), context)
    known, name = KnownParts(context, None), only(first).name
    assert UpdateBases(lambda: [first], context, known).find_base(name, size, map) is None
    found = UpdateBases(lambda: [first], context, known, smallest=SMALLEST_PART).find_base(name, size, map)
    assert (found is not None) is is_found


def test_one_that_is_stored_so_is_stored_again_to_the_byte(context: Context) -> None:
    first = add(model(version(0, SMALLEST_PART)), context)
    known, data = KnownParts(context, None), version(1, SMALLEST_PART)
    asked = UpdateBases(lambda: [first], context, known, smallest=SMALLEST_PART)
    entry = only(first)
    with closing(PartWriter(context, known, asked)) as writer:
        writer.add(PartLabel.of_entry(entry), MemoryValues(spec_of(entry), data))
        (stored,) = writer.entries()
    assert [link.oid for link in stored.storage.coding.chain] == [entry.oid]
    context.store.delete(stored.storage.place.object)
    second = first._replace(entries=(stored,))
    assert only(add(model(data), context, [second])) == stored


def test_a_base_that_is_much_larger_than_the_part_is_none(context: Context) -> None:
    """All of it would be read, for a part that may be tiny: a word of an embedding."""
    first = add(model(version(0, 5 * SIZE)), context)
    assert bases_of(add(model(version(0, SIZE)), context, [first])) == []


def test_a_base_with_an_option_that_nobody_knows_here_is_none(context: Context) -> None:
    """A newer release may have written it: what is added is stored in full, and does not fail."""
    first = add(model(version(0)), context)
    (entry,) = first.parameters()
    coding = entry.storage.coding._replace(options={"future": 1})
    later = first._replace(entries=(entry._replace(storage=entry.storage._replace(coding=coding)),))
    assert bases_of(add(model(version(1)), context, [later])) == []


def test_the_nearest_version_that_has_the_parameter_counts(context: Context) -> None:
    first, other = add(model(version(0)), context), add(model(version(5), name="other"), context)
    nearer = add(model(version(1)), context)
    assert bases_of(add(model(version(2)), context, [other, nearer, first])) == [only(nearer).oid]


def test_versions_are_read_as_far_as_somebody_looks(context: Context) -> None:
    first, read_on = add(model(version(0)), context), []

    def before() -> Iterable[Manifest]:
        yield first
        read_on.append(True)

    text = split(model(version(1)), context, before()).text
    assert bases_of(decode_manifest(text)) == [only(first).oid]
    assert not read_on


def test_where_nobody_wants_bases_no_version_is_looked_into(context: Context) -> None:
    first = add(model(version(0)), context)

    def before() -> Iterable[Manifest]:
        pytest.fail("asked for")
        yield first

    for chosen in (Preferences(("dense", "difference")), DIFFERENCES._replace(depth=0)):
        here = context._replace(preferences=partial(Preferences, *chosen))
        assert bases_of(decode_manifest(split(model(version(1)), here, before()).text)) == []


def test_at_the_cap_a_part_builds_on_the_root(context: Context) -> None:
    versions = [add(model(version(0)), context)]
    for number in range(1, 9):
        versions.append(add(model(version(number)), context, versions[::-1], versions[-1]))
        assert read(versions[-1], context) == version(number)
    assert [len(bases_of(one)) for one in versions] == [0, 1, 2, 3, 1, 2, 3, 1, 2]
    assert {bases_of(one)[0] for one in versions[1:]} == {only(versions[0]).oid}


def test_the_cap_holds_for_deeper_chains_of_other_people(context: Context) -> None:
    versions = [add(model(version(0)), context)]
    for number in range(1, 4):
        versions.append(add(model(version(number)), context, versions[::-1]))
    shallow = context._replace(preferences=lambda: DIFFERENCES._replace(depth=1))
    assert bases_of(add(model(version(4)), shallow, versions[::-1])) == [only(versions[0]).oid]


def test_a_base_that_is_not_here_is_passed_over(context: Context) -> None:
    first, second = add(model(version(0)), context), add(model(version(1)), context)
    for oid in only(second).storage.objects():
        context.store.delete(oid)
    assert bases_of(add(model(version(2)), context, [second, first])) == [only(first).oid]


def test_a_base_of_a_plug_in_that_is_not_installed_is_passed_over(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = add(model(version(0)), context)
    second = add(model(version(1)), context, [first])
    monkeypatch.delitem(BUILT_IN["updates"], "difference")
    here = context._replace(preferences=lambda: Preferences(("xor-any",)))
    assert bases_of(add(model(version(2)), here, [second, first])) == [only(first).oid]


def test_a_version_that_comes_back_is_what_it_was(context: Context) -> None:
    """This clone may have forgotten it: the chain of what is in the index has it still."""
    versions = [add(model(version(0)), context)]
    for number in (1, 2):
        versions.append(add(model(version(number)), context, versions[::-1], versions[-1]))
    fresh = context._replace(state=type(context.state)(context.scratch / "fresh.sqlite"))
    for number in (0, 1):
        again = add(model(version(number)), fresh, [versions[-1]], versions[-1])
        assert only(again) == only(versions[number])


@pytest.mark.parametrize("size", [SIZE, (16 << 20) + 4 * BLOCK])
def test_nothing_is_its_own_base(context: Context, size: int) -> None:
    """A version that comes back, of which nothing is known any more but that the version at HEAD builds on it."""
    first = add(model(version(0, size)), context)
    second = add(model(version(1, size)), context, [first])
    fresh = context._replace(state=type(context.state)(context.scratch / "fresh.sqlite"))
    for before in (second, first):
        again = add(model(version(0, size)), fresh, [before])
        assert bases_of(again) == []
        assert read(again, fresh) == version(0, size)


@pytest.mark.parametrize(("dtype", "shape"), [("F32", (SIZE // 8, 2)), ("I32", (SIZE // 4,)), ("BF16", (SIZE // 2,))])
def test_l1_the_same_bytes_of_another_spec_come_back(context: Context, dtype: str, shape: tuple[int, ...]) -> None:
    """An update is told dtype and shape: what it stored serves those alone."""
    first = add(model(version(0)), context)
    second = add(model(version(1)), context, [first], first)
    third = add(model(version(1), dtype, shape), context, [second], second)
    assert only(third).oid == only(second).oid
    assert read(third, context) == version(1)
    both = {"a": ("F32", (SIZE // 4,), version(2)), "b": (dtype, shape, version(2))}
    before = [add(model(version(0), name=name), context) for name in ("a", "b")]
    mixed = add(safetensors_bytes(both), context, before)
    for entry in mixed.parameters():
        assert b"".join(read_values(entry, context.store, map)) == version(2)
    assert [entry.storage for entry in mixed.parameters()] == [
        context.state.storage_of(entry.oid, entry.dtype, entry.shape) for entry in mixed.parameters()
    ]


def spoil(context: Context, entry: Entry) -> None:
    """Other bytes of the same size in the place of a part's object."""
    store, oid = context.store, entry.storage.place.object
    assert isinstance(store, MemoryStore)
    store._objects[oid] = noise_bytes(len(store._objects[oid]), 9)


@pytest.mark.parametrize("size", [SMALLEST_UNASKED, SIZE, (16 << 20) + 4 * BLOCK])
def test_a_rotten_base_is_told_of_once_and_the_part_stored_in_full(context: Context, size: int) -> None:
    first = add(model(version(0, size)), context)
    spoil(context, only(first))
    found = split(model(version(1, size)), context, [first])
    manifest = decode_manifest(found.text)
    assert bases_of(manifest) == []
    assert read(manifest, context) == version(1, size)
    (warning,) = found.warnings
    assert warning.startswith("w: stored without the version before, which is damaged here: object ")
    assert only(first).storage.place.object in warning


def test_a_rotten_bundle_is_one_warning(context: Context) -> None:
    names = [f"layer{number}" for number in range(9)]
    first, second = (
        safetensors_bytes({name: ("F32", (5000,), version(at + number, 20_000)) for at, name in enumerate(names)})
        for number in (0, 50)
    )
    before = add(first, context)
    spoil(context, next(before.parameters()))
    found = split(second, context, [before])
    (warning,) = found.warnings
    assert warning.startswith("layer0, layer1, layer2, layer3, layer4")
    assert not any(entry.storage.coding.chain for entry in decode_manifest(found.text).parameters())


def test_a_forged_version_gives_no_base(context: Context) -> None:
    """Its object is here, of the size it says, and has other values."""
    first = add(model(version(0)), context)
    other = Place(*context.store.put([noise_bytes(SIZE, 3)]))
    forged = only(first)._replace(storage=Storage(Coding("dense", "raw"), other))
    manifest = add(model(version(1)), context, [first._replace(entries=(forged,))])
    assert bases_of(manifest) == []
    assert read(manifest, context) == version(1)


def test_a_damaged_source_is_not_blamed_on_its_base(context: Context) -> None:
    first, second = add(model(version(0)), context), add(model(version(1)), context)
    spoil(context, only(second))
    bases = UpdateBases(lambda: [first], context, KnownParts(context, None), anew=True)
    with pytest.raises(CorruptObject, match=only(second).storage.place.object):
        choose_repacks(second, bases, context)
    assert bases.describe_damage() == []


def test_a_label_of_an_entry_is_that_it_was_added_with(context: Context) -> None:
    entry = only(add(model(version(0)), context))
    assert PartLabel.of_entry(entry) == PartLabel("w", "F32", (SIZE // 4,))


def test_a_base_is_read_as_its_own_spec_says(context: Context) -> None:
    """A re-typed parameter, for an update that builds on any."""
    here = context._replace(preferences=lambda: Preferences(("xor-any",)))
    first = add(model(version(0)), here)
    for dtype, size in (("BF16", SIZE // 2), ("F32", SIZE + 4000), ("F32", SIZE - 4000)):
        second = add(model(version(1, size), dtype), here, [first])
        assert bases_of(second) == [only(first).oid]
        assert read(second, here) == version(1, size)
    values = StoredValues(only(first), context.store)
    assert values.spec == Spec(BY_NAME["F32"], (SIZE // 4,))
    assert b"".join(values.blocks()) == b"".join(MemoryValues(values.spec, version(0)).blocks())


def test_who_only_asks_is_told_of_no_base(context: Context) -> None:
    first = add(model(version(0)), context)
    stored = set(context.store.oids())
    here = context._replace(earlier_manifests=lambda _: pytest.fail("asked for"), staged_manifest=lambda _: first)
    text = split_source(BytesSource(model(version(1))), PATH, here, keep=False).text
    assert decode_manifest(text) != first
    assert set(context.store.oids()) == stored


def test_the_hash_of_a_part_on_a_base_is_that_of_its_bytes(context: Context) -> None:
    first = add(model(version(0)), context)
    assert only(add(model(version(1)), context, [first])).oid == hashlib.sha256(version(1)).hexdigest()
