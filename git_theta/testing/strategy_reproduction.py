"""Law L9: chunks, threads, array libraries, devices and orders change no byte of a merge, or as few as L9b allows."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from git_theta.merging.execution import library_for
from git_theta.tensors.torch_library import TorchLibrary
from git_theta.testing.blocks import threaded_map
from git_theta.testing.operands import DTYPES, coarse, fine
from git_theta.testing.strategy_contests import MANY, StrategyContests, cut_contest


class ReproductionLaws(StrategyContests):
    """The same contest, computed in other ways."""

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_l9_chunks_and_pieces_change_no_byte(self, dtype: str) -> None:
        for asked in self._contests(dtype, coarse if dtype == "BF16" else fine):
            expected = self._merge(asked)
            assert len(expected) == asked.spec.nbytes
            for chunk, piece in ((1 << 16, 1), (100, 7), (50, 200)):
                self._require_alike(self._merge(cut_contest(replace(asked, chunk=chunk), piece)), expected, dtype)

    def test_l9_threads_change_no_byte(self) -> None:
        """Those of torch; numpy has none."""
        torch = pytest.importorskip("torch")
        if self.make_strategy().array_library == "numpy":
            pytest.skip("it does not compute with torch")
        before = torch.get_num_threads()
        try:
            for asked in self._contests("F32", shape=self._many()):
                found = []
                for threads in (1, 2, 3):
                    torch.set_num_threads(threads)
                    found.append(self._merge(replace(asked, chunk=MANY, library=TorchLibrary())))
                for one in found[1:]:
                    self._require_alike(one, found[0], "F32")
        finally:
            torch.set_num_threads(before)

    def test_l9_array_libraries_give_the_same_bytes(self) -> None:
        """Torch computes on the CPU here, which it is not used for: what it does there it does on CUDA."""
        pytest.importorskip("torch")
        if self.make_strategy().array_library != "any":
            pytest.skip("it takes one library alone")
        for dtype in DTYPES:
            for asked in self._contests(dtype, coarse if dtype == "F16" else fine):
                self._require_alike(self._merge(replace(asked, library=TorchLibrary())), self._merge(asked), dtype)

    def test_l9_cuda_gives_the_bytes_of_the_cpu(self) -> None:
        if not pytest.importorskip("torch").cuda.is_available():
            pytest.skip("needs a CUDA device")
        library = library_for(self.make_strategy(), "cuda")
        for dtype in DTYPES:
            for asked in self._contests(dtype, shape=self._many()):
                self._require_alike(self._merge(replace(asked, library=library)), self._merge(asked), dtype)

    def test_l9_the_order_of_heads_changes_no_byte(self) -> None:
        if self.ordered:
            pytest.skip("its heads, or options, are in an order")
        for dtype in ("F32", "BF16"):
            for asked in self._contests(dtype, heads=self._several(), twins=True):
                orders = list(permutations(asked.branches))[::7]
                assert len({self._merge(replace(asked, branches=order)) for order in orders}) == 1

    def test_l9_weights_go_with_their_heads(self) -> None:
        if self.ordered or not self.make_strategy().takes_weights:
            pytest.skip("it takes no weights, or an order")
        weights = (0.25, 1.0, 1.75, 3.0)[: self._several()]
        for asked in self._contests("F32", heads=self._several()):
            forth, back = (replace(asked, branches=asked.branches[::by], weights=weights[::by]) for by in (1, -1))
            assert self._merge(forth) == self._merge(back)

    def test_contests_are_prepared_together_and_merged_side_by_side(self) -> None:
        for first in self._contests("F32"):
            contests = [replace(first, name="b"), replace(first, name="a", branches=first.branches[::-1])]
            if self.make_strategy().pick(first) is not None:
                continue
            assert self._merge_all(contests) == self._merge_all(contests[::-1], threaded_map(2))
