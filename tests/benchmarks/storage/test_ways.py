"""Ways to store a pair of versions: each gives back what it got, and says what it took."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from benchmarks.delta_ratios import SIMPLE_WAYS
from benchmarks.results import OURS
from benchmarks.storage.costs import Cost, VersionPair
from benchmarks.storage.other_tools import store_zipnn
from benchmarks.storage.plain_ways import store_bitx, store_ours, store_planes, store_zstd
from benchmarks.storage.ways import TOLD, store_pair
from tests.sandbox import safetensors_bytes
from tests.updates.delta_samples import trained, weights

EXACT = {"zstd": store_zstd, "BitX": store_bitx, OURS: store_ours}


@pytest.fixture(params=["F32", "BF16"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> VersionPair:
    """One tensor that moved, one that did not, one that is longer than before, one that was not there."""
    dtype = request.param
    old, still, width = weights(dtype, 20_000), weights(dtype, 300, 3), {"F32": 4, "BF16": 2}[dtype]
    same, short = {"still": (dtype, (300,), still)}, (dtype, (100,), still[: 100 * width])
    base = {**same, "moved": (dtype, (20_000,), old), "grown": short}
    moved = (dtype, (20_000,), trained(old, dtype, 1e-5))
    tuned = {**same, "moved": moved, "grown": (dtype, (300,), still), "count": ("I64", (), bytes(8))}
    for name, tensors in (("base", base), ("tuned", tuned)):
        (tmp_path / f"{name}.safetensors").write_bytes(safetensors_bytes(tensors))
    return VersionPair("a step", tmp_path / "base.safetensors", tmp_path / "tuned.safetensors")


def test_every_way_gives_back_what_it_got_and_says_what_it_took(pair: VersionPair, tmp_path: Path) -> None:
    costs = store_pair(pair, {**EXACT, **{name: partial(store_planes, name) for name in SIMPLE_WAYS}}, tmp_path)
    assert all(cost.is_exact for cost in costs.values())
    assert all(costs[name].encoding > 0 and costs[name].decoding > 0 for name in EXACT)
    assert costs[OURS].size < min(costs[name].size for name in ("zstd", *SIMPLE_WAYS))
    assert costs["BitX"].size < costs["dense planes"].size < pair.size()


def test_who_refuses_a_pair_is_left_out_with_a_word(
    pair: VersionPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(pair: VersionPair, folder: Path) -> Cost:
        raise ValueError("another shape")

    assert list(store_pair(pair, {"strict": refuse, "zstd": store_zstd, TOLD: refuse}, tmp_path)) == ["zstd"]
    assert "a step: strict refuses: another shape" in capsys.readouterr().err
    assert not (tmp_path / "way").exists()


def test_zipnn_gives_back_what_it_got(pair: VersionPair, tmp_path: Path) -> None:
    pytest.importorskip("zipnn", reason="ZipNN is not installed")
    assert store_zipnn(pair, tmp_path).is_exact
