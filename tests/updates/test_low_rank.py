"""The low-rank update: the conformance kit, its arithmetic recomputed in other ways, and heads that lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_theta.errors import CorruptObject
from git_theta.serializers.frames import FramesSerializer
from git_theta.tensors.arrays import BLOCK, Array, Arrays
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues, Values
from git_theta.testing.blocks import noise_bytes, special_bytes, threaded_map
from git_theta.testing.updates import UpdateLaws
from git_theta.updates.base import Coder, Update
from git_theta.updates.delta.predictions import BasePrediction
from git_theta.updates.delta.sampled_blocks import pair_blocks
from git_theta.updates.low_rank.factors import MAX_NUMBERS, Factors, is_storable, make_factors
from git_theta.updates.low_rank.head_lists import read_factors, write_factors, write_numbers
from git_theta.updates.low_rank.low_rank_prediction import LowRankPrediction, round_rows
from git_theta.updates.low_rank.low_rank_update import LowRankUpdate
from git_theta.updates.low_rank.rounded_sums import DTYPES
from tests.effort import choose_tries
from tests.spec.independent_low_rank import from_low_rank
from tests.updates.low_rank_samples import MERGED, Merged, draw_factors, merge_factors


class _OnDrawnFactors(LowRankUpdate):
    """Given factors of whatever shape the values have."""

    def coder(self, values: Values, base: Values | None, settings: Mapping[str, Any]) -> Coder | None:
        if len(values.spec.shape) != 2 or not values.size:
            return None
        return super().coder(values, base, {**settings, "factors": draw_factors(values.spec.shape, 3, size=0.3)})


class TestLowRank(UpdateLaws):
    def make_update(self) -> Update:
        return _OnDrawnFactors()

    def dtype_of(self, width: int) -> str:
        return {2: "BF16", 4: "F32"}.get(width, super().dtype_of(width))

    def shape_of(self, elements: int) -> tuple[int, ...]:
        columns = next(columns for columns in (96, 8, 4, 1) if elements % columns == 0)
        return (elements // columns, columns)


def encode(merged: Merged) -> tuple[list[Arrays], Mapping[str, Any]]:
    """All lists, head first; and the options."""
    coder = LowRankUpdate().coder(merged.values, merged.base, {"factors": merged.factors})
    assert coder is not None
    pairs = pair_blocks(merged.values, merged.base)
    return [*coder.head, *(coder.encode(at, *pair) for at, pair in enumerate(pairs))], coder.options


def decode(lists: list[Arrays], options: Mapping[str, Any], merged: Merged, threads: int = 0) -> bytes:
    stored = iter(lists)
    decoder = LowRankUpdate().decoder(merged.values.spec, stored, options)
    mapping = threaded_map(threads) if threads else map
    beside = (base_block for _, base_block in pair_blocks(merged.values, merged.base))
    items = zip(range(len(lists)), stored, beside, strict=False)
    return b"".join(mapping(lambda item: bytes(decoder.decode(*item)), items))


def stored_by_specification(lists: list[Arrays], options: Mapping[str, Any], merged: Merged) -> bytes:
    spec = merged.values.spec
    storage = {"dtype": spec.dtype.name, "shape": spec.shape, "size": spec.nbytes, "options": options}
    return from_low_rank([[bytes(array.data) for array in arrays] for arrays in lists], merged.old, storage)


@pytest.mark.parametrize("form", MERGED)
def test_every_form_is_what_the_specification_says(form: str) -> None:
    merged = MERGED[form]()
    lists, options = encode(merged)
    assert decode(lists, options, merged) == merged.new
    assert stored_by_specification(lists, options, merged) == merged.new


def test_the_forms_are_those_that_are_written() -> None:
    found = {form: encode(make()) for form, make in MERGED.items()}
    assert {form: dict(options) for form, (_, options) in found.items()} == {
        "product rounded to BF16": {"rank": 4, "apart": True, "rounded": True},
        "product rounded to F16": {"rank": 4, "apart": True, "rounded": True},
        "product of F32": {"rank": 3, "apart": True},
        "rank 1": {"rank": 1, "apart": True, "rounded": True},
        "convolution": {"rank": 2, "apart": True},
        "cast": {"cast": "F32", "rank": 2, "apart": True, "rounded": True},
        "factors found": {"rank": 3, "apart": True},
        "grown": {"rank": 2, "apart": True},
    }
    words = {form: list(bytes(lists[-1][0].data)) for form, (lists, _) in found.items()}
    assert words["factors found"][:2] == [2, 0]
    assert words["factors found"][2] == 3  # by nearness
    assert any(each[0] == 0 for each in words.values())


def test_several_blocks_that_cut_rows_and_a_head_of_several_lists() -> None:
    """On any number of threads; rows are longer than a block, or a block ends within one."""
    for dtype, shape, rank in (("BF16", (700, 999), 5), ("F32", (3, 150_001), 2), ("F32", (1000, 400), 200)):
        merged = merge_factors(dtype, shape, rank)
        lists, options = encode(merged)
        head = len(write_factors(merged.factors))
        assert [len(arrays) for arrays in lists[:head]] == [1] * head
        assert decode(lists, options, merged) == decode(lists, options, merged, threads=3) == merged.new


class TestArithmetic:
    """One prediction, however it is computed."""

    merged = merge_factors("F32", (90, 110), 17, size=0.3)

    def predict_whole(self, merged: Merged) -> np.ndarray[Any, Any]:
        spec = merged.values.spec
        prediction = LowRankPrediction(merged.factors, BasePrediction(spec.dtype, ""))
        return prediction.predict(0, merged.old, spec.elements).numbers

    def factors(self) -> tuple[Any, Any]:
        spare = 53 - 5
        return (
            round_rows(self.merged.factors.left, spare - spare // 2),
            round_rows(self.merged.factors.right.T, spare // 2).T,
        )

    def sum_in_order(self, order: list[int]) -> Any:
        left, right = self.factors()
        total = np.zeros((len(left), right.shape[1]))
        for k in order:
            total = total + left[:, k : k + 1] * right[k]
        return total

    def test_the_sum_is_exact_in_any_order(self) -> None:
        left, right = self.factors()
        expected = self.sum_in_order(list(range(17)))
        generator = np.random.default_rng(0)
        for _ in range(20):
            assert np.array_equal(self.sum_in_order(list(generator.permutation(17))), expected)
        assert np.array_equal(left @ right, expected)
        assert np.array_equal(np.einsum("ik,kj->ij", left, right), expected)
        assert np.array_equal((right.T @ left.T).T, expected)

    def test_torch_finds_the_same_on_any_number_of_threads(self) -> None:
        torch = pytest.importorskip("torch")
        left, right = (torch.from_numpy(each.copy()) for each in self.factors())
        expected = self.predict_whole(self.merged)
        threads = torch.get_num_threads()
        try:
            for count, pieces in product((1, 2), (1, 7)):
                torch.set_num_threads(count)
                change = torch.cat([part @ right for part in left.chunk(pieces)]) * self.merged.factors.scale
                old = torch.frombuffer(bytearray(self.merged.old), dtype=torch.float32).double()
                found = (old + change.reshape(-1)).float().numpy().view("<u4")
                assert np.array_equal(found, expected)
        finally:
            torch.set_num_threads(threads)

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_blocks_of_any_size_are_predicted_alike(self, dtype: str) -> None:
        merged = merge_factors(dtype, (90, 110), 5, size=0.3)
        spec = merged.values.spec
        prediction = LowRankPrediction(merged.factors, BasePrediction(spec.dtype, ""))
        whole = prediction.multiply(0, spec.elements)
        for size in (1, 7, 109, 110, 111, 2000):
            starts = range(0, spec.elements, size)
            pieces = [prediction.multiply(at, min(size, spec.elements - at)) for at in starts]
            assert np.array_equal(np.concatenate(pieces), whole)

    def test_what_is_not_finite_stays_as_it_is(self) -> None:
        """NaN with its payload, infinities; what becomes too large by the product of F16 is infinite."""
        for dtype, width in (("F32", 4), ("BF16", 2), ("F16", 2)):
            shape = (24, 10)
            spec = Spec(BY_NAME[dtype], shape)
            old = special_bytes(spec.nbytes, width)
            factors = draw_factors(shape, 2, size=1e6, dtype="F32")
            merged = Merged(MemoryValues(spec, old), MemoryValues(spec, old), factors)
            lists, options = encode(merged)
            assert decode(lists, options, merged) == old
            assert stored_by_specification(lists, options, merged) == old
            codes = np.frombuffer(old, f"<u{width}")
            exponent = {"F32": 0x7F800000, "BF16": 0x7F80, "F16": 0x7C00}[dtype]
            odd = codes & exponent == exponent
            assert odd.any()
            assert np.array_equal(self.predict_whole(merged)[odd], codes[odd])

    def test_a_zero_has_no_sign(self) -> None:
        spec = Spec(BY_NAME["F32"], (2, 2))
        old = np.array([-0.0, 0.0, 1.0, -1.0], "<f4").tobytes()
        factors = make_factors([[-0.0], [1.0]], [[-1.0, 1.0]])
        merged = Merged(MemoryValues(spec, old), MemoryValues(spec, old), factors)
        assert np.array_equal(self.predict_whole(merged).view("<f4"), np.array([0, 0, 0, 0], "<f4"))
        assert not self.predict_whole(merged).any()


@settings(max_examples=choose_tries(few=60, many=600), deadline=None)
@given(
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 1 << 30),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    rank=st.integers(1, 9),
    rounds=st.booleans(),
    spread=st.integers(0, 60),
)
def test_exact_for_whatever_is_drawn(
    dtype: str, seed: int, shape: tuple[int, int], rank: int, spread: int, *, rounds: bool
) -> None:
    """Bit patterns at random, factors over many magnitudes."""
    generator = np.random.default_rng(seed)
    spec = Spec(BY_NAME[dtype], shape)
    left, right = (
        generator.normal(0, 1, size) * 2.0 ** generator.integers(-spread, spread + 1, size)
        for size in ((shape[0], rank), (rank, shape[1]))
    )
    old, new = noise_bytes(spec.nbytes, seed), noise_bytes(spec.nbytes, seed + 1)
    factors = make_factors(left, right, float(generator.normal()), rounds_product=rounds)
    predicted = LowRankPrediction(factors, BasePrediction(spec.dtype, "")).predict(0, old, spec.elements).numbers
    for data in (new, predicted.tobytes()):
        merged = Merged(MemoryValues(spec, data), MemoryValues(spec, old), factors)
        lists, options = encode(merged)
        assert decode(lists, options, merged) == data
        assert stored_by_specification(lists, options, merged) == data


def stored_size(lists: list[Arrays]) -> int:
    return sum(len(piece) for piece in FramesSerializer().encode(lists, map))


@pytest.mark.parametrize(("dtype", "least"), [("BF16", 24), ("F16", 18), ("F32", 14)])
def test_an_adapter_that_was_merged_takes_what_the_adapter_takes(dtype: str, least: float) -> None:
    merged = merge_factors(dtype, (768, 768), 8)
    lists, _ = encode(merged)
    assert merged.values.size / stored_size(lists) > least


def test_balancing_changes_no_product() -> None:
    factors = draw_factors((30, 20), 4)
    sizes = 2.0 ** np.array([-40, 0, 3, 60])
    skewed = make_factors(factors.left * sizes, factors.right / sizes[:, None])
    balanced = skewed.balance()
    assert np.abs(balanced.right).max(axis=1) == pytest.approx(np.ones(4), rel=0.5)
    assert np.array_equal(balanced.left.astype("f8") @ balanced.right, factors.left.astype("f8") @ factors.right)
    tiny = make_factors(factors.left * 1e-42, factors.right * 1e-3)
    assert tiny.balance() is tiny or np.array_equal(
        tiny.balance().left.astype("f8") @ tiny.balance().right, tiny.left.astype("f8") @ tiny.right
    )


class TestRefused:
    spec = Spec(BY_NAME["F32"], (30, 20))
    values = MemoryValues(spec, noise_bytes(2400))

    def coder(self, factors: Factors | None, values: MemoryValues = values, base: MemoryValues = values) -> Any:
        return LowRankUpdate().coder(values, base, {"factors": factors} if factors else {})

    def test_without_factors(self) -> None:
        assert self.coder(None) is None

    @pytest.mark.parametrize(
        "factors",
        [
            draw_factors((20, 30), 2),
            draw_factors((30, 20), 2)._replace(scale=float("inf")),
            draw_factors((30, 20), 2)._replace(scale=1e39),
            make_factors(np.full((30, 1), np.nan), np.ones((1, 20))),
            make_factors(np.ones((30, 1)), np.full((1, 20), np.inf)),
            make_factors(np.ones((30, 257)), np.ones((257, 20))),
            make_factors(np.ones((30, 0)), np.ones((0, 20))),
            make_factors(np.ones((30, 2)), np.ones((3, 20))),
        ],
    )
    def test_factors_that_cannot_be_stored(self, factors: Factors) -> None:
        with np.errstate(all="ignore"):
            assert self.coder(factors) is None

    def test_other_dtypes_and_shapes(self) -> None:
        factors = draw_factors((30, 20), 2)
        for dtype, shape in (
            ("F64", (15, 20)),
            ("I32", (30, 20)),
            ("F32", (600,)),
            ("F32", ()),
            ("F8_E4M3", (120, 20)),
        ):
            spec = Spec(BY_NAME[dtype], shape)
            other = MemoryValues(spec, bytes(spec.nbytes))
            assert self.coder(factors, other, other) is None
        ints = MemoryValues(Spec(BY_NAME["I32"], (30, 20)), bytes(2400))
        assert self.coder(factors, self.values, ints) is None

    def test_no_more_numbers_than_can_be_held(self) -> None:
        assert is_storable(256, (65_535, 1))
        assert not is_storable(256, (65_536, 1))
        assert MAX_NUMBERS == 256 * 65_536

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"rank": 0},
            {"rank": -1},
            {"rank": 257},
            {"rank": True},
            {"rank": "2"},
            {"rank": None},
            {"rank": 2, "rounded": False},
            {"rank": 2, "rounded": 1},
            {"rank": 2, "rounded": None},
            {"rank": 2, "apart": False},
            {"rank": 2, "apart": 1},
            {"rank": 2, "cast": "F32"},
            {"rank": 2, "cast": "I32"},
            {"rank": 256, "shape": (70_000, 1)},
        ],
    )
    def test_options_that_it_never_writes_are_corrupt(self, options: dict[str, Any]) -> None:
        spec = Spec(BY_NAME["F32"], options.pop("shape", (30, 20)))
        head = write_factors(draw_factors((30, 20), 2))
        with pytest.raises(CorruptObject):
            LowRankUpdate().decoder(spec, iter(head), {"apart": True} | options)

    def test_dtypes_and_shapes_that_it_never_writes_are_corrupt(self) -> None:
        head = write_factors(draw_factors((30, 20), 2))
        for dtype, shape in (("F64", (30, 20)), ("U32", (30, 20)), ("F32", (600,)), ("F32", (30, 20, 0)), ("F32", ())):
            with pytest.raises(CorruptObject):
                LowRankUpdate().decoder(Spec(BY_NAME[dtype], shape), iter(head), {"rank": 2, "apart": True})

    def test_heads_that_lie_are_corrupt(self) -> None:
        (array,), right = write_factors(draw_factors((30, 20), 2))
        data, nan = bytes(array.data), b"\0\0\x40\xff"
        lies: tuple[list[Arrays], ...] = (
            [],
            [()],
            [(Array(4, data),)],
            [right, (Array(4, data),)],
            [(Array(4, data), Array(4, b"")), right],
            [(Array(4, data[:-4]),), right],
            [(Array(4, data + bytes(4)),), right],
            [(Array(4, nan + data[4:]),), right],
            [(Array(4, data[:-4] + nan),), right],
            [(Array(4, data),), (Array(4, nan + bytes(right[0].data[4:])),)],
            *([*cut, right] for cut in odd_cuts(data)),
        )
        for lists in lies:
            with pytest.raises(CorruptObject):
                LowRankUpdate().decoder(self.spec, iter(lists), {"rank": 2, "apart": True})


def odd_cuts(data: bytes) -> Iterator[list[Arrays]]:
    """Lists that are cut where none is."""
    yield [(Array(4, data[:100]),), (Array(4, data[100:]),)]
    yield [(Array(4, data[:BLOCK]), Array(4, data[BLOCK:]))]


class TestFactorsInTurns:
    """How the head was written before factors stood apart; read for ever, as the golden sets are."""

    merged = merge_factors("BF16", (40, 30), 4)

    def rewrite_head(self) -> tuple[list[Arrays], dict[str, Any]]:
        (_, _, *blocks), options = encode(self.merged)
        factors = self.merged.factors.balance()
        pairs = np.concatenate((factors.left.T, factors.right), axis=1)
        numbers = np.concatenate((np.array([factors.scale], "<f4"), pairs.reshape(-1)))
        return [*write_numbers(numbers), *blocks], {"rank": 4, "rounded": options["rounded"]}

    def test_they_are_read(self) -> None:
        lists, options = self.rewrite_head()
        assert decode(lists, options, self.merged) == self.merged.new
        assert stored_by_specification(lists, options, self.merged) == self.merged.new

    def test_they_took_more(self) -> None:
        lists, _ = encode(merge_factors("BF16", (768, 768), 8))
        factors = merge_factors("BF16", (768, 768), 8).factors.balance()
        pairs = np.concatenate((factors.left.T, factors.right), axis=1)
        assert stored_size(lists[:2]) < 0.95 * stored_size(write_numbers(pairs))


def test_a_sign_beside_the_fraction_is_every_number_again() -> None:
    numbers = np.frombuffer(special_bytes(4096, 4), "<f4")
    finite = numbers[np.isfinite(numbers)]
    factors = Factors(finite[:, None], np.ones((1, 1), "<f4"))
    found = read_factors(iter(write_factors(factors)), 1, (len(finite), 1), apart=True, rounds_product=False)
    assert np.array_equal(found.left.reshape(-1).view("<u4"), finite.view("<u4"))
