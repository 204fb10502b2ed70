"""Tasks as bytes: all that our strategies are given and give travels, and nothing that is none of ours."""

from __future__ import annotations

import os
from array import array
from functools import partial
from pathlib import Path

import msgpack
import numpy as np
import pytest

from git_theta.errors import MissingObject
from git_theta.manifest.model import Coding, Entry, Place, Storage, UpdateBase, View
from git_theta.merging.arithmetic.brackets import Rank
from git_theta.merging.planning.plan import plan_merge
from git_theta.merging.policies.policy import Choice
from git_theta.operations.context import Context
from git_theta.operations.merging.apply_plan import apply_plan
from git_theta.operations.merging.merge_results import MergeSettings
from git_theta.parameters.value_decoding import read_values
from git_theta.repository.clustering.travel_codec import CannotTravelError, TravelCodec
from git_theta.store.memory import MemoryStore
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.numpy_library import NUMPY
from git_theta.tensors.spec import Spec
from tests.operations.stored_checkpoints import stored
from tests.repository.clustering.loopback_engine import LoopbackEngine
from tests.sandbox import model

CODEC = TravelCodec({})

BASE = UpdateBase("b" * 64, 4, "F32", (1,), Coding("dense", "raw"), Place("c" * 64, 4))
ENTRY = Entry(
    "a" * 64,
    8,
    Storage(Coding("delta", "planes", {"depth": 1}, (BASE,)), Place("d" * 64, 9, (1, 8)), {"later": [1]}),
    "w",
    "F32",
    (2, 1),
    (View("v", "F32", (2,), (1,), 0),),
)


@pytest.mark.parametrize(
    "value",
    [
        None, True, -(2**63), 2**64 - 1, 2**64, -(2**4400) + 1, 0.1, float("inf"), "\u00fc", b"\0",
        (), (1, (2, [3])), {"a": {1: (2,)}}, {Rank(0, 1): 2}, Spec(BY_NAME["BF16"], (2, 3)), ENTRY,
        array("Q", [2**63]), NUMPY, map,
    ],
)  # fmt: skip
def test_what_travels_arrives_as_it_was(value: object) -> None:
    arrived = CODEC.decode(CODEC.encode(value))
    assert arrived == value and type(arrived) is type(value)


def test_arrays_arrive_and_may_be_written_to() -> None:
    arrived = CODEC.decode(CODEC.encode(np.arange(6, dtype=">i2").reshape(2, 3)))
    assert (arrived == np.arange(6).reshape(2, 3)).all() and arrived.dtype == ">i2"
    arrived += 1


def test_a_number_of_numpy_arrives_as_a_number() -> None:
    assert CODEC.decode(CODEC.encode([np.float64(0.1), np.int64(3)])) == [0.1, 3]


def test_errors_arrive_with_all_that_they_say() -> None:
    error = MissingObject("is missing", hint="fetch it", path="a/b", parameter="w")
    arrived = CODEC.decode(CODEC.encode(error))
    assert type(arrived) is MissingObject
    assert vars(arrived) == vars(error)


def test_each_end_has_its_own_store() -> None:
    here, there = MemoryStore(), MemoryStore()
    reading = partial(read_values, store=here, parallel=map)
    arrived = TravelCodec({"store": there}).decode(TravelCodec({"store": here}).encode(reading))
    assert arrived.func is read_values
    assert arrived.keywords["store"] is there and arrived.keywords["parallel"] is map


@pytest.mark.parametrize("value", [os.system, lambda: 1, Path("/"), MemoryStore(), object(), {"a": {1, 2}}])
def test_what_is_none_of_ours_does_not_travel(value: object) -> None:
    with pytest.raises(CannotTravelError):
        CODEC.encode([value])


def forge(code: int, content: object) -> bytes:
    """A message with a thing of some kind and contents that our end never writes."""
    forged: bytes = msgpack.packb(msgpack.ExtType(code, msgpack.packb(content)))
    return forged


@pytest.mark.parametrize("name", ["os:system", "git_theta.vcs.git:git", "builtins:eval"])
def test_l10_a_message_names_no_function_and_no_class_but_ours(name: str) -> None:
    for code, content in ((1, [name, {}]), (2, name)):
        with pytest.raises(KeyError):
            CODEC.decode(forge(code, content))


def test_l10_a_function_is_not_called_for_a_class() -> None:
    with pytest.raises(KeyError, match="no class"):
        CODEC.decode(forge(1, ["builtins:map", {}]))


SHAPES: dict[str, int | tuple[int, ...]] = {
    "layers.0.weight": (40, 50),
    "layers.1.weight": (300, 10),
    "layers.1.bias": 7,
}

STRATEGIES = (
    "average", "weighted", "task-arithmetic", "ties", "ties scope=checkpoint",
    "ties scope=checkpoint zero_sign=majority", "dare", "dare-ties zero_sign=majority", "breadcrumbs", "model-stock",
    "lines", "iso-c", "tsv-m", "wudi",
)  # fmt: skip


@pytest.mark.parametrize("chosen", STRATEGIES)
def test_l9_what_travelled_is_merged_to_the_same_bytes(context: Context, chosen: str) -> None:
    base, *heads = (stored(context, model(seed, **SHAPES)) for seed in range(4))
    strategy, *given = chosen.split()
    choice = Choice(strategy, dict(one.split("=") for one in given), "test")

    def merge(asked: Context) -> object:
        result = apply_plan(plan_merge(base, heads), lambda _: choice, MergeSettings(), asked)
        return result.manifest, result.applied

    travelled = merge(context._replace(choose_engine=LoopbackEngine))
    context.state.forget_computed()
    assert travelled == merge(context)
