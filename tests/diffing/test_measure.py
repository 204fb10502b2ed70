"""The numbers of a change, against sums in 60 decimal digits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Context, Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_theta.diffing.base import Change, ChangeStatus, Measures, ParameterVersion
from git_theta.diffing.measure import measure_change
from git_theta.manifest.model import Entry
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.lockstep import CHUNK, recut
from git_theta.tensors.numbers import codes_of, is_numeric, numbers_of, numbers_per_element
from git_theta.tensors.spec import Spec
from tests.diffing.entries import changed, entry

EXACT = Context(prec=60, Emax=99999, Emin=-99999)
PIECE = 1000
"""Bytes that are read at a time: no whole number of chunks, nor of elements of 16 bytes."""


def measured(dtype: str, shape: tuple[int, ...], before: bytes, after: bytes) -> Measures:
    contents = [before, after]

    def read(_: Entry) -> Iterator[bytes]:
        data = contents.pop(0)
        return (data[start : start + PIECE] for start in range(0, len(data), PIECE))

    return measure_change(changed(dtype, shape, before, after), read)


def floats(before: list[float], after: list[float], dtype: str = "F64") -> Measures:
    kind = {"F64": "<f8", "F32": "<f4", "C128": "<c16"}[dtype]
    return measured(dtype, (len(before),), np.array(before, kind).tobytes(), np.array(after, kind).tobytes())


def expected(dtype: str, elements: int, before: bytes, after: bytes) -> Measures:
    """The same numbers, one element after the other."""
    kind = BY_NAME[dtype]
    sides = [codes_of(data, kind)[: elements // kind.block] for data in (before, after)]
    differing = kind.block * sum(first.tolist() != second.tolist() for first, second in zip(*sides, strict=True))
    if not is_numeric(kind):
        return Measures(elements, differing)
    step = numbers_per_element(kind)
    values = [numbers_of(side, kind).tolist() for side in sides]
    rows = [[side[at : at + step] for at in range(0, len(side), step)] for side in values]
    nonfinite = [
        (
            sum(any(map(math.isnan, element)) for element in side),
            sum(any(map(math.isinf, element)) and not any(map(math.isnan, element)) for element in side),
        )
        for side in rows
    ]
    pairs = [pair for pair in zip(*rows, strict=True) if all(map(math.isfinite, (*pair[0], *pair[1])))]
    return sums(pairs, step if kind.kind == "complex" else 1)._replace(
        elements=elements, differing=differing, nonfinite_before=nonfinite[0], nonfinite_after=nonfinite[1]
    )


def sums(pairs: list[tuple[list[float], list[float]]], group: int) -> Measures:
    with localcontext(EXACT):
        before, after = ([Decimal(value) for pair in pairs for value in pair[side]] for side in (0, 1))
        change = [new - old for old, new in zip(before, after, strict=True)]
        moduli = [
            sum((part * part for part in change[at : at + group]), Decimal(0)) for at in range(0, len(change), group)
        ]
        norms = [sum((value * value for value in side), Decimal(0)).sqrt() for side in (before, after, change)]
        product = sum((old * new for old, new in zip(before, after, strict=True)), Decimal(0))
        cosine = product / (norms[0] * norms[1]) if norms[0] * norms[1] else None
        return Measures(
            0,
            norm_before=float(norms[0]),
            norm_after=float(norms[1]),
            norm=float(norms[2]),
            largest=float(max(moduli, default=Decimal(0)).sqrt()),
            cosine=None if cosine is None else float(cosine),
        )


def assert_close(found: Measures, exact: Measures) -> None:
    """Equal to 1e-12, relative; cosines absolute: an orthogonal change has none that could be relative to."""
    assert (found.elements, found.differing) == (exact.elements, exact.differing)
    assert (found.nonfinite_before, found.nonfinite_after) == (exact.nonfinite_before, exact.nonfinite_after)
    for name in ("norm_before", "norm_after", "norm", "largest", "cosine"):
        ours, theirs = getattr(found, name), getattr(exact, name)
        assert (ours is None) is (theirs is None), name
        relative, absolute = (0.0, 1e-12) if name == "cosine" else (1e-12, 0.0)
        assert ours is None or ours == pytest.approx(theirs, rel=relative, abs=absolute), name


@given(st.data())
def test_every_dtype_agrees_with_exact_sums(data: st.DataObject) -> None:
    """Any bits: so NaN, infinities, subnormals, the largest numbers, -0.0, no elements at all."""
    name = data.draw(st.sampled_from(sorted(BY_NAME)))
    elements = data.draw(st.integers(0, 40 if BY_NAME[name].block == 1 else 3)) * BY_NAME[name].block
    size = Spec(BY_NAME[name], (elements,)).nbytes
    before = data.draw(st.binary(min_size=size, max_size=size))
    patch = data.draw(st.binary(max_size=size))
    after = before[: size - len(patch)] + patch
    assert_close(measured(name, (elements,), before, after), expected(name, elements, before, after))


@pytest.mark.parametrize("name", ["F32", "F6_E3M2", "F4", "I64", "C64", "Q4_K", "Q8_0", "IQ2_S"])
def test_chunks_add_up(name: str) -> None:
    elements = (CHUNK // BY_NAME[name].block + 77) * BY_NAME[name].block
    generator = np.random.default_rng(7)
    before = bytearray(generator.bytes(Spec(BY_NAME[name], (elements,)).nbytes))
    after = before.copy()
    after[100:1100] = generator.bytes(1000)
    after[-30:] = generator.bytes(30)
    found = measured(name, (elements,), bytes(before), bytes(after))
    assert_close(found, expected(name, elements, bytes(before), bytes(after)))


def test_a_cosine_near_one_is_as_good() -> None:
    generator = np.random.default_rng(1)
    before = generator.standard_normal(5000).astype("<f4")
    after = (before * (1 + 1e-7 * generator.standard_normal(5000))).astype("<f4")
    found = measured("F32", (5000,), before.tobytes(), after.tobytes())
    assert_close(found, expected("F32", 5000, before.tobytes(), after.tobytes()))
    assert found.norm
    assert 0 < found.norm < 1e-4


def test_a_zero_that_only_lost_its_sign_differs_by_nothing() -> None:
    assert floats([0.0, 1.0], [-0.0, 1.0]) == Measures(2, 1, 1.0, 1.0, 0.0, 0.0, 1.0)


def test_nan_and_infinity_are_counted_and_left_out() -> None:
    found = floats([3.0, math.nan, math.inf, 1.0], [4.0, 1.0, 1.0, math.nan])
    assert (found.nonfinite_before, found.nonfinite_after) == ((1, 1), (1, 0))
    assert (found.norm_before, found.norm_after, found.norm, found.differing) == (3.0, 4.0, 1.0, 4)


@pytest.mark.parametrize("size", [1e300, 1e-300, 5e-324])
def test_squares_neither_overflow_nor_vanish(size: float) -> None:
    found = floats([3 * size, 0.0], [3 * size, 4 * size])
    norms = found.norm_before, found.norm_after, found.norm, found.cosine
    assert norms == pytest.approx((3 * size, 5 * size, 4 * size, 0.6), rel=1e-12, abs=0)


def test_a_difference_beyond_fp64_is_infinite() -> None:
    found = floats([1.7e308], [-1.7e308])
    assert (found.norm, found.largest, found.cosine) == (math.inf, math.inf, -1.0)


def test_complex_elements_count_by_their_moduli() -> None:
    before, after = np.array([1j, 2]), np.array([1j, 5 + 4j])
    found = measured("C128", (2,), before.tobytes(), after.tobytes())
    assert (found.elements, found.differing, found.largest, found.norm) == (2, 1, 5.0, 5.0)


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0)])
def test_small_shapes_have_their_numbers(shape: tuple[int, ...]) -> None:
    before, after = (np.full(shape, value, "<f4").tobytes() for value in (2, 3))
    full = math.prod(shape)
    assert measured("F32", shape, before, after) == Measures(
        full, full, 2.0 * full, 3.0 * full, 1.0 * full, 1.0 * full, 1.0 if full else None
    )


def never(_: Entry) -> Iterator[bytes]:
    raise AssertionError("nothing had to be read")


@pytest.mark.parametrize("status", [ChangeStatus.RENAMED, ChangeStatus.MOVED])
def test_what_kept_its_bytes_is_not_read(status: ChangeStatus) -> None:
    place = ParameterVersion("model.safetensors", "w", entry("w", bytes(8), "F32"))
    assert measure_change(Change(status, place, place), never) == Measures(2, 0, norm=0.0, largest=0.0)


def test_of_one_version_there_is_a_norm() -> None:
    place = ParameterVersion("model.safetensors", "w", entry("w", np.array([3, 4, np.inf], "<f4").tobytes(), "F32"))
    data = np.array([3, 4, np.inf], "<f4").tobytes()
    added = measure_change(Change(ChangeStatus.ADDED, None, place), lambda _: iter([data]))
    assert added == Measures(3, norm_after=5.0, nonfinite_after=(0, 1))
    removed = measure_change(Change(ChangeStatus.REMOVED, place, None), lambda _: iter([data]))
    assert removed == Measures(3, norm_before=5.0, nonfinite_before=(0, 1))


def test_another_spec_leaves_both_norms() -> None:
    contents = {"F32": np.array([3, 4], "<f4").tobytes(), "F16": np.array([[6], [8]], "<f2").tobytes()}
    before, after = (
        ParameterVersion("model.safetensors", "w", entry("w", contents[dtype], dtype, shape))
        for dtype, shape in (("F32", (2,)), ("F16", (2, 1)))
    )
    found = measure_change(Change(ChangeStatus.SPEC, before, after), lambda each: iter([contents[each.dtype]]))
    assert found == Measures(2, norm_before=5.0, norm_after=10.0)


def test_a_dtype_that_nobody_knows_is_counted() -> None:
    unknown = entry("w", bytes(8), "F32")._replace(dtype="F3_E1M1")
    place = ParameterVersion("model.safetensors", "w", unknown)
    assert measure_change(Change(ChangeStatus.CHANGED, place, place), never) == Measures(2)


def test_a_change_of_rank_one_in_passing() -> None:
    before = np.random.default_rng(3).standard_normal((20, 30)).astype("<f4")
    after = before + np.outer(np.arange(20), np.arange(30)).astype("<f4")
    found = measured("F32", (20, 30), before.tobytes(), after.tobytes())
    assert (found.rank, found.rank_limit) == (1, 10)


@given(st.lists(st.binary(max_size=9)), st.integers(1, 7))
def test_pieces_are_cut_anew(pieces: list[bytes], size: int) -> None:
    cut = [bytes(piece) for piece in recut(pieces, size)]
    assert b"".join(cut) == b"".join(pieces)
    assert all(len(piece) == size for piece in cut[:-1])
    assert all(cut)
