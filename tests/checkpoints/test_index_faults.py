"""What an index says, and what the shards hold: every way in which they can contradict each other has its words."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from git_theta.checkpoints.index_faults import ShardNames, find_index_faults

INDEX = "m/model.safetensors.index.json"
A, B = "m/one.safetensors", "m/two.safetensors"


def faults(places: Mapping[str, str], shards: ShardNames) -> list[str]:
    """``places``: name of a parameter to that of a file, as the index says."""
    return find_index_faults(INDEX, json.dumps({"weight_map": dict(places)}).encode(), shards)


def test_conflict_markers_are_told() -> None:
    text = b'{\n<<<<<<< HEAD\n"a": 1\n=======\n>>>>>>> side\n}'
    assert find_index_faults(INDEX, text, {A: {"a"}}) == [f"{INDEX} has conflict markers in it: no loader can read it"]
    assert find_index_faults(INDEX, text, {}) == []


@pytest.mark.parametrize(
    ("places", "shards", "words"),
    [
        ({"a": "one.safetensors"}, {A: {"a"}}, []),
        ({"a": "one.safetensors"}, {A: None}, []),
        ({"a": "one.safetensors", "b": "two.safetensors"}, {A: {"a"}}, [f"{INDEX} names {B}, which is not there"]),
        (
            {"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"},
            {A: set(), B: {"a", "b", "c"}},
            [f"{INDEX} puts a, b in {A}: they are not there but in {B}"],
        ),
        ({"a": "one.safetensors", "b": "one.safetensors"}, {A: {"a"}}, [f"{INDEX} puts b in {A}: it is nowhere"]),
        (
            {"a": "one.safetensors", "b": "two.safetensors"},
            {A: {"a", "b"}, B: {"b"}},
            [f"b stands in {A} and {B}"],
        ),
        ({"a": "one.safetensors"}, {A: {"a", "z"}}, [f"{A} has z, which {INDEX} does not name"]),
        ({"a": "one.safetensors"}, {A: {"a"}, B: {"a"}}, [f"{B} is no shard that {INDEX} names"]),
    ],
)
def test_it_says_what_is_wrong(places: Mapping[str, str], shards: ShardNames, words: list[str]) -> None:
    assert faults(places, shards) == words


def test_many_names_are_counted() -> None:
    names = {f"layer.{number}" for number in range(100)}
    [fault] = faults(dict.fromkeys(names, "one.safetensors"), {A: set()})
    assert fault.startswith(f"{INDEX} puts layer.0, layer.1, layer.10, layer.11, layer.12 and 95 more in {A}")


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", b'{"weight_map": []}'])
def test_what_is_no_index_has_no_faults(text: bytes) -> None:
    assert find_index_faults(INDEX, text, {A: {"a"}}) == []
