"""The scale update: the conformance kit, its arithmetic by the specification, and heads that lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from git_theta.errors import CorruptObject
from git_theta.serializers.frames import FramesSerializer
from git_theta.tensors.arrays import Array, Arrays
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues, Values
from git_theta.testing.blocks import noise_bytes, special_bytes
from git_theta.testing.updates import UpdateLaws
from git_theta.updates.base import Coder, Update
from git_theta.updates.delta.sampled_blocks import pair_blocks
from git_theta.updates.low_rank.scale_prediction import Scales, make_scales
from git_theta.updates.low_rank.scale_update import ScaleUpdate
from tests.spec.independent_low_rank import from_scale
from tests.updates.low_rank_samples import SCALED, Scaled, scale_matrix


class _OnDrawnScales(ScaleUpdate):
    """Given scales of whatever shape the values have."""

    def coder(self, values: Values, base: Values | None, settings: Mapping[str, Any]) -> Coder | None:
        if len(values.spec.shape) != 2 or not values.size:
            return None
        numbers = np.random.default_rng(0).normal(1, 0.3, values.spec.shape[1])
        return super().coder(values, base, {**settings, "scales": make_scales(numbers, 1)})


class TestScale(UpdateLaws):
    def make_update(self) -> Update:
        return _OnDrawnScales()

    def dtype_of(self, width: int) -> str:
        return {2: "BF16", 4: "F32"}.get(width, super().dtype_of(width))

    def shape_of(self, elements: int) -> tuple[int, ...]:
        columns = next(columns for columns in (96, 8, 4, 1) if elements % columns == 0)
        return (elements // columns, columns)


def encode(scaled: Scaled) -> tuple[list[Arrays], Mapping[str, Any]]:
    coder = ScaleUpdate().coder(scaled.values, scaled.base, {"scales": scaled.scales})
    assert coder is not None
    pairs = pair_blocks(scaled.values, scaled.base)
    return [*coder.head, *(coder.encode(at, *pair) for at, pair in enumerate(pairs))], coder.options


def require_exact(scaled: Scaled) -> list[Arrays]:
    """It comes back, by us and by the specification."""
    lists, options = encode(scaled)
    stored, spec = iter(lists), scaled.values.spec
    decoder = ScaleUpdate().decoder(spec, stored, options)
    beside = [base_block for _, base_block in pair_blocks(scaled.values, scaled.base)]
    decoded = [bytes(decoder.decode(at, *pair)) for at, pair in enumerate(zip(stored, beside, strict=True))]
    assert b"".join(decoded) == scaled.new
    storage = {"dtype": spec.dtype.name, "shape": spec.shape, "size": spec.nbytes, "options": options}
    assert from_scale([[bytes(array.data) for array in arrays] for arrays in lists], scaled.old, storage) == scaled.new
    return lists


@pytest.mark.parametrize("form", SCALED)
def test_every_form_is_what_the_specification_says(form: str) -> None:
    lists = require_exact(SCALED[form]())
    mode = bytes(lists[-1][0].data)[0]
    assert mode == (2 if form == "scales that are nearly right" else 0)


@pytest.mark.parametrize("axis", [0, 1])
def test_several_blocks_that_cut_rows(axis: int) -> None:
    scaled = scale_matrix("BF16", (700, 999), axis)
    lists, options = encode(scaled)
    stored = iter(lists)
    decoder = ScaleUpdate().decoder(scaled.values.spec, stored, options)
    pairs = zip(stored, (base_block for _, base_block in pair_blocks(scaled.values, scaled.base)), strict=True)
    assert b"".join(bytes(decoder.decode(at, *pair)) for at, pair in enumerate(pairs)) == scaled.new
    assert sum(len(piece) for piece in FramesSerializer().encode(lists, map)) < scaled.values.size / 300


@pytest.mark.parametrize(("dtype", "width"), [("F32", 4), ("BF16", 2), ("F16", 2)])
def test_what_is_not_finite_and_zeros(dtype: str, width: int) -> None:
    """NaN with its payload and infinities stay; a zero has the sign of the product."""
    spec = Spec(BY_NAME[dtype], (24, 10))
    old = special_bytes(spec.nbytes, width)
    for new in (old, noise_bytes(spec.nbytes)):
        scales = make_scales(np.random.default_rng(0).normal(0, 1e30, 10), 1)
        require_exact(Scaled(MemoryValues(spec, new), MemoryValues(spec, old), scales))


class TestRefused:
    spec = Spec(BY_NAME["F32"], (30, 20))
    values = MemoryValues(spec, noise_bytes(2400))

    def test_without_scales_a_small_matrix_is_left_alone(self) -> None:
        scaled = scale_matrix("F32", (30, 20), 0)
        assert ScaleUpdate().coder(scaled.values, scaled.base, {}) is None

    @pytest.mark.parametrize(
        "scales",
        [
            make_scales(np.ones(20), 0),
            make_scales(np.ones(30), 1),
            make_scales(np.ones(30), 2),
            make_scales(np.full(30, np.nan), 0),
        ],
    )
    def test_scales_that_cannot_be_stored(self, scales: Scales) -> None:
        assert ScaleUpdate().coder(self.values, self.values, {"scales": scales}) is None

    def test_other_dtypes_and_shapes(self) -> None:
        for dtype, shape in (("F64", (15, 20)), ("I32", (30, 20)), ("F32", (600,)), ("F32", ())):
            spec = Spec(BY_NAME[dtype], shape)
            other = MemoryValues(spec, bytes(spec.nbytes))
            assert ScaleUpdate().coder(other, other, {"scales": make_scales(np.ones(20), 1)}) is None
        ints = MemoryValues(Spec(BY_NAME["I32"], (30, 20)), bytes(2400))
        assert ScaleUpdate().coder(self.values, ints, {"scales": make_scales(np.ones(20), 1)}) is None

    @pytest.mark.parametrize(
        "options", [{}, {"axis": 2}, {"axis": -1}, {"axis": True}, {"axis": "0"}, {"axis": 0, "cast": "I8"}]
    )
    def test_options_that_it_never_writes_are_corrupt(self, options: dict[str, Any]) -> None:
        with pytest.raises(CorruptObject):
            ScaleUpdate().decoder(self.spec, iter([(Array(4, bytes(120)),)]), options)

    def test_dtypes_and_shapes_that_it_never_writes_are_corrupt(self) -> None:
        for dtype, shape in (("F64", (30, 20)), ("F32", (600,)), ("F32", (30, 0)), ("F32", (1 << 25, 1))):
            with pytest.raises(CorruptObject):
                ScaleUpdate().decoder(Spec(BY_NAME[dtype], shape), iter([(Array(4, bytes(120)),)]), {"axis": 0})

    def test_heads_that_lie_are_corrupt(self) -> None:
        for data in (bytes(116), bytes(124), bytes(116) + b"\0\0\x80\x7f"):
            with pytest.raises(CorruptObject):
                ScaleUpdate().decoder(self.spec, iter([(Array(4, data),)]), {"axis": 0})
        with pytest.raises(CorruptObject):
            ScaleUpdate().decoder(self.spec, iter([]), {"axis": 0})
