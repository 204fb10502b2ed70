"""Which file each parameter of a merged checkpoint goes to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from git_theta.merging.planning.shard_layouts import merge_layouts

Layouts = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["1", "2", "3"]), min_size=1)


def layout(*shards: str) -> dict[str, str]:
    """Names by the number of their shard, from 1."""
    return {name: str(number) for number, names in enumerate(shards, 1) for name in names}


def test_a_move_of_one_head_counts() -> None:
    base, moved = layout("abc", "de"), layout("ab", "cde")
    assert merge_layouts(base, [base, moved], "abcde") == moved
    assert merge_layouts(base, [moved, base], "abcde") == moved


def test_two_moves_of_different_parameters_both_count() -> None:
    merged = merge_layouts(layout("abc", "de"), [layout("ab", "cde"), layout("abcd", "e")], "abcde")
    assert merged == {"a": "1", "b": "1", "c": "2", "d": "1", "e": "2"}


def test_where_both_moved_one_parameter_the_first_counts() -> None:
    merged = merge_layouts(layout("abc", "d", "e"), [layout("ab", "cd", "e"), layout("ab", "d", "ce")], "abcde")
    assert merged["c"] == "2"


def test_the_head_that_cut_it_otherwise_gives_the_files() -> None:
    base, cut = layout("abc", "de"), layout("ab", "cd", "e")
    assert merge_layouts(base, [base, cut], "abcde") == cut
    assert merge_layouts(base, [cut, layout("a", "b", "c", "de")], "abcde") == cut


def test_what_only_another_head_has_stands_beside_its_neighbour() -> None:
    ours, theirs = layout("ab", "cd", "e"), layout("abx", "cde")
    assert merge_layouts(layout("ab", "cde"), [ours, theirs], "abcdex")["x"] == "1"
    assert merge_layouts(layout("ab", "cde"), [ours, layout("ab", "cdey")], "abcdey")["y"] == "3"


@given(st.none() | Layouts, st.lists(Layouts, min_size=1, max_size=3))
def test_every_name_has_a_file_of_one_head(base: dict[str, str] | None, heads: list[dict[str, str]]) -> None:
    names = sorted({name for head in heads for name in head})
    merged = merge_layouts(base, heads, names)
    assert list(merged) == names
    assert any(set(merged.values()) <= set(head.values()) for head in heads)


@given(Layouts, st.lists(Layouts, min_size=1, max_size=3))
def test_heads_that_agree_are_followed(base: dict[str, str], heads: list[dict[str, str]]) -> None:
    same = [heads[0]] * len(heads)
    assert merge_layouts(base, same, heads[0]) == heads[0]
