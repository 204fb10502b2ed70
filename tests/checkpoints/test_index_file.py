"""Indexes of any content are read without an error, and what is merged says where every parameter is."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from git_theta.checkpoints.index_file import merge_indexes, places_named_by, shards_named_by

PATH = "models/model.safetensors.index.json"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
INDEXES = st.binary(max_size=40) | st.builds(
    lambda content: json.dumps(content).encode(),
    JSON | st.fixed_dictionaries({"weight_map": JSON, "metadata": JSON}) | st.fixed_dictionaries({"weight_map": JSON}),
)
LAYOUTS = st.dictionaries(st.text(max_size=4), st.sampled_from(["models/one", "models/two"]), min_size=1, max_size=4)


@given(INDEXES)
def test_any_index_is_read(text: bytes) -> None:
    places = places_named_by(PATH, text)
    assert all(isinstance(name, str) and isinstance(path, str) for name, path in places.items())
    assert shards_named_by(PATH, text) == sorted(set(places.values()))


@given(LAYOUTS, st.none() | INDEXES, st.lists(st.none() | INDEXES, max_size=3))
def test_what_is_merged_names_the_layout(layout: dict[str, str], base: bytes | None, heads: list[bytes | None]) -> None:
    merged = merge_indexes(PATH, layout, (12, 3), base, heads)
    assert places_named_by(PATH, merged) == layout
    content: dict[str, Any] = json.loads(merged)
    assert content["metadata"].get("total_size", 12) == 12
    assert content["metadata"].get("total_parameters", 3) == 3


def test_an_index_that_says_just_this_stays_as_it_is() -> None:
    text = b'{"weight_map": {"a": "one"}, "metadata": {"total_size": 12}}'
    assert merge_indexes(PATH, {"a": "models/one"}, (12, 3), None, [b"{}", text]) == text
