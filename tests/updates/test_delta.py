"""The delta update: the conformance kit, every dtype and form, literal arrays, and arrays that lie."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_theta.errors import CorruptObject
from git_theta.serializers.frames import FramesSerializer
from git_theta.serializers.framing import MAX_STORED_BLOCK
from git_theta.serializers.planes import PlanesSerializer
from git_theta.tensors.arrays import BLOCK, Array, Arrays
from git_theta.tensors.casts import CASTS, cast_codes
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.blocks import noise_bytes, special_bytes, weight_bytes
from git_theta.testing.updates import UpdateLaws
from git_theta.updates.base import Update
from git_theta.updates.delta.delta_update import DeltaUpdate
from git_theta.updates.delta.element_kinds import kind_of
from git_theta.updates.delta.predictions import find_prediction
from git_theta.updates.delta.residual_blocks import ResidualCoder
from tests.effort import choose_tries
from tests.spec.independent_delta import from_delta
from tests.updates.delta_samples import FORMS, moved, pruned, trained, weights

SHARED = choose_tries(few=40, many=400)


class TestDelta(UpdateLaws):
    def make_update(self) -> Update:
        return DeltaUpdate()


def spec_of(dtype: str, size: int) -> Spec:
    """One dimension of so many bytes, in blocks where the dtype has them."""
    known = BY_NAME[dtype]
    return Spec(known, (size * 8 // known.bits * known.block,))


def encode(new: bytes, old: bytes, dtype: str, cast: str = "") -> list[Arrays]:
    """Every block, whether or not it pays."""
    prediction = find_prediction(BY_NAME[dtype], BY_NAME[cast or dtype])
    assert prediction
    coder = ResidualCoder(prediction, prediction.options)
    step = BLOCK * CASTS[cast].width // prediction.kind.width if cast else BLOCK
    return [
        coder.encode(at, new[at * BLOCK : (at + 1) * BLOCK], old[at * step : (at + 1) * step])
        for at in range(-(-len(new) // BLOCK))
    ]


def decode(blocks: list[Arrays], old: bytes, dtype: str, size: int, cast: str = "") -> bytes:
    decoder = DeltaUpdate().decoder(spec_of(dtype, size), iter([]), {"cast": cast} if cast else {})
    step = BLOCK * CASTS[cast].width // BY_NAME[dtype].width if cast else BLOCK
    return b"".join(
        bytes(decoder.decode(at, arrays, old[at * step : (at + 1) * step])) for at, arrays in enumerate(blocks)
    )


def stored_by_specification(blocks: list[Arrays], old: bytes, dtype: str, size: int, cast: str = "") -> bytes:
    storage = {"dtype": dtype, "size": size} | ({"options": {"cast": cast}} if cast else {})
    return from_delta([[bytes(array.data) for array in arrays] for arrays in blocks], old, storage)


def require_exact(new: bytes, old: bytes, dtype: str, cast: str = "") -> list[Arrays]:
    blocks = encode(new, old, dtype, cast)
    assert decode(blocks, old, dtype, len(new), cast) == new
    return blocks


def words(blocks: list[Arrays]) -> list[list[int]]:
    return [list(bytes(arrays[0].data)) for arrays in blocks]


@pytest.mark.parametrize("dtype", BY_NAME)
def test_every_dtype(dtype: str) -> None:
    width = kind_of(BY_NAME[dtype]).width
    block = max(8, BY_NAME[dtype].bits // 8)
    size = 9600 // block * block
    for old in (weight_bytes(size), noise_bytes(size), special_bytes(size, width), bytes(size)):
        for new in (moved(old, width, 0.2, 1), moved(old, width, 0.9, 40), old, noise_bytes(size, 3), bytes(size)):
            blocks = require_exact(new, old, dtype)
            assert stored_by_specification(blocks, old, dtype, size) == new


@pytest.mark.parametrize(("source", "target"), list(permutations(CASTS, 2)))
def test_every_cast(source: str, target: str) -> None:
    old = weights(source, 5000) + noise_bytes(800) + special_bytes(800, CASTS[source].width)
    count = len(old) // CASTS[source].width
    predicted = cast_codes(np.frombuffer(old, f"<u{CASTS[source].width}"), source, target).tobytes()
    for new in (predicted, moved(predicted, CASTS[target].width, 0.1, 2), noise_bytes(len(predicted), 4)):
        blocks = require_exact(new, old, target, source)
        assert stored_by_specification(blocks, old, target, len(new), source) == new
    assert words(encode(predicted, old, target, source)) == [[0]]
    assert count * CASTS[target].width == len(predicted)


@pytest.mark.parametrize("dtype", ["F32", "BF16", "I8", "C64"])
@pytest.mark.parametrize("there", [0, 1, 4, 400, 1016, 4096, 9000])
def test_grown_and_shrunken_rows(dtype: str, there: int) -> None:
    whole = weight_bytes(9000)
    new = moved(whole[:4096], BY_NAME[dtype].width, 0.1, 2)
    blocks = require_exact(new, whole[:there], dtype)
    assert stored_by_specification(blocks, whole[:there], dtype, 4096) == new


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_what_the_specification_says(form: str) -> None:
    new, old, dtype = FORMS[form]()
    blocks = require_exact(new, old, dtype)
    assert stored_by_specification(blocks, old, dtype, len(new)) == new


def test_the_forms_are_those_that_are_written() -> None:
    """By the words: mode; tiles told apart; then order, zeros, how the others moved."""
    found = {form: words(encode(*FORMS[form]()))[0] for form in FORMS}
    assert found["same"] == [0]
    assert found["dense"] == [1]
    assert found["planes"][:5] == [2, 0, 1, 0, 0]
    assert found["changes"][:5] == [2, 0, 1, 0, 1]
    assert found["unchanged tiles"][:2] == [2, 1]
    assert found["quiet tiles"][:2] == [2, 2]
    assert found["all quiet"][:2] == [2, 2]
    assert found["zeros"][:4] == [2, 0, 2, 1]
    assert found["signed zeros"][:4] == [2, 0, 2, 2]
    assert found["zeros of codes"][:4] == [2, 0, 0, 1]
    assert max(found["rare changes"][5:7]) >= 1


class TestLiteralArrays:
    """Numbers of one byte, as they stand."""

    def test_a_block_that_is_the_base(self) -> None:
        assert encode(b"abc" * 30, b"abc" * 30, "U8") == [(Array(1, b"\0"),)]

    def test_rows_that_are_new(self) -> None:
        assert encode(b"abcd" * 9, b"abcd" * 5, "U16") == [(Array(1, b"\0"), Array(2, b"abcd" * 4))]

    def test_without_a_base(self) -> None:
        assert encode(b"abcd", b"", "U16") == [(Array(1, b"\1"), Array(2, b"abcd"))]

    def test_changes(self) -> None:
        old = bytes(range(100, 116))
        new = bytes([101, 101, 101, *range(103, 115), 18])
        arrays = (
            Array(1, bytes([2, 0, 0, 0, 1, 0, 0, 1])),  # delta, tiles, order, zeros, changes, levels, levels, planes
            Array(1, b"\x05\x80"),  # numbers 0, 2 and 15
            Array(1, b"\x04"),  # of these, the third moved by more than one
            Array(1, b"\x06"),  # the second and the third moved down
            Array(1, b"\x5f"),  # by 97: 2 and 95
        )
        assert decode([arrays], old, "U8", 16) == new
        assert stored_by_specification([arrays], old, "U8", 16) == new

    def test_differences_in_order_of_the_exponent(self) -> None:
        old = np.array([2.0, 1.0, -2.0, 0.5], "<f4").view("<u4")
        new = old + np.array([1, -1 % (1 << 32), 300, 0], "<u4")
        arrays = (
            Array(1, bytes([2, 0, 1, 0, 0, 2])),
            Array(1, bytes([0, 1, 2, 600 % 256])),  # 0.5, 1, 2, -2
            Array(1, bytes([0, 0, 0, 600 // 256])),
        )
        assert decode([arrays], old.tobytes(), "F32", 16) == new.tobytes()
        assert stored_by_specification([arrays], old.tobytes(), "F32", 16) == new.tobytes()


@settings(max_examples=SHARED, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    dtype=st.sampled_from(["F64", "F32", "BF16", "F16", "I64", "I8", "F8_E4M3", "C64", "F4", "BOOL"]),
    old=st.binary(min_size=0, max_size=3000),
    new=st.binary(min_size=0, max_size=3000),
    mixed=st.sampled_from(["as drawn", "moved", "zeroed"]),
    there=st.integers(0, 4000),
)
def test_exact_for_whatever_is_drawn(dtype: str, old: bytes, new: bytes, mixed: str, there: int) -> None:
    width = BY_NAME[dtype].width
    element = max(1, BY_NAME[dtype].bits // 8)
    size = len(new) // element * element
    new, old = new[:size], (old + bytes(size))[: max(size, len(old) // element * element)]
    if mixed == "moved":
        new = (np.frombuffer(old[:size], f"<u{width}") + np.frombuffer(new, f"<u{width}") % 5).tobytes()
    elif mixed == "zeroed":
        new = bytes(byte if at % 3 else 0 for at, byte in enumerate(old[:size]))
    old = old[: there // element * element]
    blocks = require_exact(new, old, dtype)
    assert stored_by_specification(blocks, old, dtype, size) == new


def stored_size(blocks: list[Arrays], serializer: FramesSerializer | PlanesSerializer) -> int:
    return sum(len(piece) for piece in serializer.encode(blocks, map))


def simple_sizes(new: bytes, old: bytes, width: int) -> dict[str, int]:
    """What simpler ways take."""
    numbers, others = (np.frombuffer(data, f"<u{width}") for data in (new, old))
    differences = (numbers - others).view(f"<i{width}")
    ways = {
        "dense": numbers,
        "xor": numbers ^ others,
        "zigzag": (differences << 1) ^ (differences >> 8 * width - 1),
    }
    return {
        name: stored_size(
            [(Array(width, way.tobytes()[at : at + BLOCK]),) for at in range(0, len(new), BLOCK)], PlanesSerializer()
        )
        for name, way in ways.items()
    }


def pairs() -> Iterator[Any]:
    for dtype in ("F32", "BF16", "F16", "F64"):
        for step in (1e-7, 1e-5, 1e-4, 1e-3, 1e-2, 0.1):
            yield pytest.param(
                dtype, lambda old, dtype=dtype, step=step: trained(old, dtype, step), id=f"{dtype} {step}"
            )
        width = CASTS[dtype].width
        for share, most in ((0.001, 1), (0.1, 100), (0.5, 1 << 8 * width - 3), (1, 1 << 8 * width - 2), (1, 1)):
            yield pytest.param(
                dtype,
                lambda old, width=width, share=share, most=most: moved(old, width, share, most),
                id=f"{dtype} {share} moved by {most}",
            )
        yield pytest.param(dtype, lambda old, dtype=dtype: pruned(old, dtype, signed=True), id=f"{dtype} pruned")
        yield pytest.param(dtype, lambda old: noise_bytes(len(old), 8), id=f"{dtype} noise")


@pytest.mark.parametrize(("dtype", "change"), list(pairs()))
def test_never_much_larger_than_simpler_ways(dtype: str, change: Any) -> None:
    """Within a hundredth of the smallest of them."""
    old = weights(dtype, BLOCK // CASTS[dtype].width + 5000)
    new = change(old)
    simple = simple_sizes(new, old, CASTS[dtype].width)
    blocks = require_exact(new, old, dtype)
    values, base = (MemoryValues(spec_of(dtype, len(data)), data) for data in (new, old))
    pays = DeltaUpdate().coder(values, base, {}) is not None
    taken = stored_size(blocks, FramesSerializer()) if pays else simple["dense"]
    assert taken <= 1.01 * min(simple.values()) + 64, (pays, simple)


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("dtype", CASTS)
def test_what_was_pruned_takes_next_to_nothing(dtype: str, share: float) -> None:
    """Tiles that were pruned whole, where small numbers stand together, are not taken for quiet ones."""
    old = weights(dtype, 50000) + weights(dtype, 10000, spread=1e-4)
    new = pruned(old, dtype, share=share)
    blocks = require_exact(new, old, dtype)
    assert stored_size(blocks, FramesSerializer()) < len(new) / 100


def test_nothing_is_encoded_where_it_would_not_pay() -> None:
    for new, old in ((noise_bytes(BLOCK, 1), noise_bytes(BLOCK)), (b"", b""), (bytes(100), bytes(100))):
        values, base = (MemoryValues(spec_of("U8", len(data)), data) for data in (new, old))
        assert DeltaUpdate().coder(values, base, {}) is None


@pytest.mark.parametrize(("dtype", "other"), [("F32", "I32"), ("U8", "I8"), ("F32", "U8"), ("F8_E4M3", "F32")])
def test_a_base_of_a_dtype_that_is_not_cast_is_none(dtype: str, other: str) -> None:
    values = MemoryValues(spec_of(dtype, 4096), bytes(4096))
    base = MemoryValues(spec_of(other, 4096), bytes(4096))
    assert DeltaUpdate().coder(values, base, {}) is None


def test_the_cast_is_an_option() -> None:
    old = weights("F32", 9000)
    new = cast_codes(np.frombuffer(old, "<u4"), "F32", "BF16").tobytes()
    coder = DeltaUpdate().coder(MemoryValues(spec_of("BF16", 18000), new), MemoryValues(spec_of("F32", 36000), old), {})
    assert coder is not None
    assert coder.options == {"cast": "F32"}


@pytest.mark.parametrize("options", [{"cast": "I32"}, {"cast": ""}, {"cast": 4}, {"cast": "F32"}, {"cast": None}])
def test_options_that_it_never_writes_are_corrupt(options: dict[str, Any]) -> None:
    with pytest.raises(CorruptObject):
        DeltaUpdate().decoder(spec_of("F32", 400), iter([]), options)


def test_more_blocks_than_the_part_has_are_corrupt() -> None:
    decoder = DeltaUpdate().decoder(spec_of("F32", 400), iter([]), {})
    with pytest.raises(CorruptObject, match="more blocks"):
        decoder.decode(1, (Array(1, b"\0"),), bytes(400))


@pytest.mark.parametrize("form", FORMS)
def test_arrays_that_lie_are_corrupt_or_other_values(form: str) -> None:
    """Every word set to others, every array cut, grown, noise or ones: an error, or as many bytes as there must be."""
    new, old, dtype = FORMS[form]()
    (arrays,) = encode(new, old, dtype)
    for odd in odd_arrays(arrays):
        tracemalloc.start()
        try:
            assert len(decode([odd], old, dtype, len(new))) == len(new)
        except CorruptObject:
            pass
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 40 * len(new) + 4 * MAX_STORED_BLOCK


def odd_arrays(arrays: Arrays) -> Iterator[Arrays]:
    first = bytes(arrays[0].data)
    for at in range(len(first)):
        for word in {*range(9), 16, 255} - {first[at]}:
            yield (Array(1, first[:at] + bytes([word]) + first[at + 1 :]), *arrays[1:])
    yield (Array(1, first + b"\0"), *arrays[1:])
    yield (Array(1, first[:-1]), *arrays[1:])
    yield (*arrays, Array(1, b""))
    for at in range(1, len(arrays)):
        data = bytes(arrays[at].data)
        for other in (data[:-1], data + b"\0", b"", noise_bytes(len(data), at), b"\xff" * len(data)):
            yield (*arrays[:at], Array(1, other), *arrays[at + 1 :])
        yield (*arrays[:at], *arrays[at + 1 :])


def test_a_block_that_says_less_than_it_has_is_corrupt() -> None:
    for arrays in ((), (Array(1, b""),), (Array(1, b"\3"),), (Array(1, b"\0"), Array(1, b"a")), (Array(1, b"\0\0"),)):
        with pytest.raises(CorruptObject):
            decode([arrays], bytes(400), "F32", 400)
