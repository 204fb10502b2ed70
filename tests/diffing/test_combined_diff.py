"""What a merge changed: what none of its parents has like that."""

from __future__ import annotations

from collections.abc import Sequence

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.base import Comparison
from git_theta.diffing.combined_diff import combine_comparisons
from git_theta.diffing.compare import compare_checkpoint
from git_theta.manifest.text import decode_manifest
from tests.manifest_history import Values, manifest

FILE = "model.safetensors"


def merged(after: Values, *parents: Values) -> dict[str, str]:
    """Name to status of what a commit with these parents changed."""
    found = combine_comparisons([_differing(parent, after) for parent in parents])
    return {change.name: change.status.value for one in found for change in one.changes}


def _differing(before: Values, after: Values) -> Sequence[Comparison]:
    sides = [(Shard(FILE, decode_manifest(manifest(values))),) for values in (before, after)]
    return [compare_checkpoint(FILE, *sides)] if before != after else []


def test_what_one_parent_has_is_no_change() -> None:
    assert merged({"a": "2", "b": "2"}, {"a": "1", "b": "2"}, {"a": "2", "b": "1"}) == {}
    assert merged({"a": "2"}, {"a": "2"}, {"a": "1"}) == {}, "the file is the first parent's"


def test_what_no_parent_has_is_a_change() -> None:
    assert merged({"a": "3", "b": "1"}, {"a": "1", "b": "1"}, {"a": "2", "b": "1"}) == {"a": "changed"}


def test_the_mildest_word_is_told() -> None:
    assert merged({"a": "3"}, {}, {"a": "1"}) == {"a": "changed"}, "new to one parent, changed for the other"
    assert merged({"new": "1"}, {"old": "1"}, {"x": "2"}) == {"new": "renamed"}


def test_what_was_removed_counts_where_both_had_it() -> None:
    assert merged({"b": "1"}, {"a": "1", "b": "1"}, {"a": "2", "b": "1"}) == {"a": "removed"}
    assert merged({"b": "3"}, {"a": "1", "b": "1"}, {"b": "2"}) == {"b": "changed"}
