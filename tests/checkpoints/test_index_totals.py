"""The totals that an index says: told where they are wrong, and replaced, with every other byte as it was."""

from __future__ import annotations

import pytest

from git_theta.checkpoints.index_totals import find_wrong_totals, replace_totals
from git_theta.manifest.model import DENSE, Coding, Entry, Manifest, Place, Storage

STORAGE = Storage(Coding(DENSE, "raw"), Place("0" * 64, 40))
SHARD = Manifest("safetensors", 40, (Entry("0" * 64, 40, STORAGE, "a", "F32", (2, 5)),))
INDEX = b'{"metadata": {"total_size" : %s, "total_parameters": 10}, "weight_map": {"a": "total_size"}}'


@pytest.mark.parametrize("said", [b"40", b"40.0"])
def test_nothing_is_wrong_with_right_totals(said: bytes) -> None:
    assert find_wrong_totals(INDEX % said, [SHARD]) == {}


@pytest.mark.parametrize("said", [b"20", b"20.0"])
def test_wrong_ones_are_replaced_and_nothing_else(said: bytes) -> None:
    assert find_wrong_totals(INDEX % said, [SHARD]) == {"total_size": 40}
    assert replace_totals(INDEX % said, {"total_size": 40}) == INDEX % b"40"


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"metadata": 1}', b'{"metadata": {}}', b'{"weight_map": {}}'])
def test_what_says_none_is_not_wrong(text: bytes) -> None:
    assert find_wrong_totals(text, [SHARD]) == {}
