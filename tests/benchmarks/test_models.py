"""The checkpoints that are measured with."""

from __future__ import annotations

import json
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmarks.diff_steps import LAYERS
from benchmarks.models import (
    DISJOINT,
    FORK,
    SHARDED,
    SHARDS,
    DtypeName,
    build_model,
    build_shards,
    decoder_shapes,
    mixture_shapes,
    round_to_bf16,
)


@pytest.mark.parametrize("elements", [25_000_000, 250_000_000, 500_000_000])
def test_a_model_is_about_as_large_as_asked(elements: int) -> None:
    total = sum(map(math.prod, decoder_shapes(elements).values()))
    assert abs(total - elements) < 0.05 * elements


def test_a_thousand_parameters_can_be_asked_for() -> None:
    assert len(decoder_shapes(1_000_000, LAYERS)) == 1001


def test_a_mixture_has_as_many_parameters_as_asked_each_of_4_kb_at_most() -> None:
    shapes = mixture_shapes(10_000)
    assert len(shapes) == 10_000
    assert {math.prod(shape) for shape in shapes.values()} == {4, 16, 64, 256, 1024}


@pytest.mark.parametrize(("dtype", "kind"), [("F32", torch.float32), ("BF16", torch.bfloat16)])
def test_one_version_differs_in_one_tensor_and_another_in_all(
    tmp_path: Path, dtype: DtypeName, kind: torch.dtype
) -> None:
    model = build_model(tmp_path / "model", dtype, 2_000_000)
    base, one, every = (load_file(model.files[version]) for version in ("base", "one", "all"))
    differing = [name for name in base if not torch.equal(base[name], one[name])]
    assert [base[name].nbytes for name in differing] == [model.tuned_bytes]
    assert not any(torch.equal(before[name], every[name]) for before in (base, one) for name in base)
    assert {tensor.dtype for tensor in base.values()} == {kind}
    assert {file.stat().st_size for file in model.files.values()} == {model.bytes}


def test_shards_hold_the_model_and_the_index_names_their_places(tmp_path: Path) -> None:
    model = build_shards(tmp_path / "shards", "BF16", 600_000, SHARDED, SHARDS)
    for version in SHARDED:
        *shards, index = model.sources(version)
        held = {name: shard.name for shard in shards for name in load_file(shard)}
        assert json.loads(index.read_text())["weight_map"] == held
        assert len(held) == len(decoder_shapes(300_000, 32))
        assert set(held.values()) == {shard.name for shard in shards}
    first = model.sources("base")[0]
    assert not any(map(torch.equal, load_file(first).values(), load_file(model.files["a"] / first.name).values()))


def test_fine_tunes_contest_every_tensor_or_none(tmp_path: Path) -> None:
    fork = {name: load_file(file) for name, file in build_model(tmp_path / "fork", "F32", 200_000, FORK).files.items()}
    apart = {
        name: load_file(file) for name, file in build_model(tmp_path / "apart", "F32", 200_000, DISJOINT).files.items()
    }
    for name in fork["base"]:
        assert not any(torch.equal(fork[one][name], fork[other][name]) for one, other in combinations(FORK, 2))
        changed = [not torch.equal(apart["base"][name], apart[head][name]) for head in ("left", "right")]
        assert sorted(changed) == [False, True]


def test_bf16_is_rounded_as_torch_rounds() -> None:
    values = np.random.default_rng(0).standard_normal(10_000, np.float32)
    values[:2] = np.array([0x3F808000, 0x3F818000], np.uint32).view(np.float32)  # both half way: to even
    expected = torch.from_numpy(values).to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)
    assert np.array_equal(round_to_bf16(values), expected)
