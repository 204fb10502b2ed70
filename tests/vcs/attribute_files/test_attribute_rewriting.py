"""Attributes exchanged for others and back: every other byte stays, and Git sees what was meant."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_theta.vcs.attribute_files.attribute_lines import ATTRIBUTES, append_lines
from git_theta.vcs.attribute_files.attribute_rewriting import (
    LFS_ATTRIBUTES,
    NO_ATTRIBUTES,
    anchor_pattern,
    drop_exclusions,
    exchange_attributes,
    list_filtered,
)
from git_theta.vcs.attribute_files.pattern_matching import PatternMatcher, match_patterns
from git_theta.vcs.discovery import discover_repository
from tests.effort import choose_tries
from tests.sandbox import Sandbox

_LFS = b" ".join(LFS_ATTRIBUTES)
_OURS = b" ".join(ATTRIBUTES)
_lines = st.sampled_from(
    [
        b"*.bin %b\n" % _LFS, b"*.png %b\r\n" % _LFS, b'"a b.bin"\t%b  lockable\n' % _LFS, b"# *.bin filter=lfs\n",
        b"\n", b"*.txt text=auto\n", b"[attr]big %b\n" % _LFS, b"!x filter=lfs\n",
    ]
)  # fmt: skip


@settings(max_examples=choose_tries(few=100, many=2000), deadline=None)
@given(lines=st.lists(_lines, max_size=6), end=st.sampled_from([b"", b"*.bin %b" % _LFS]))
def test_an_exchange_back_restores_every_byte(lines: list[bytes], end: bytes) -> None:
    content = b"".join(lines) + end
    patterns = set(list_filtered(content, LFS_ATTRIBUTES[0]))
    there = exchange_attributes(content, patterns, LFS_ATTRIBUTES, ATTRIBUTES)
    assert set(list_filtered(there, ATTRIBUTES[0])) == patterns
    assert not list_filtered(there, LFS_ATTRIBUTES[0])
    assert exchange_attributes(there, patterns, ATTRIBUTES, LFS_ATTRIBUTES) == content


def test_patterns_that_are_not_named_stay() -> None:
    content = b"*.bin %b\n*.png %b\n" % (_LFS, _LFS)
    there = exchange_attributes(content, {b"*.bin"}, LFS_ATTRIBUTES, ATTRIBUTES)
    assert there == b"*.bin %b\n*.png %b\n" % (_OURS, _LFS)


def test_attributes_that_the_line_lacks_are_added() -> None:
    assert exchange_attributes(b"*.bin filter=lfs\r\n", {b"*.bin"}, LFS_ATTRIBUTES, ATTRIBUTES) == (
        b"*.bin filter=theta diff=theta merge=theta -text\r\n"
    )


def test_what_was_appended_goes() -> None:
    begun = b"*.txt text\n"
    content = append_lines(append_lines(begun, [b"*.bin", b"a b"]), [b"/x.bin"], NO_ATTRIBUTES)
    gone = exchange_attributes(content, {b"*.bin", b"a b"}, ATTRIBUTES, ())
    assert drop_exclusions(gone) == begun
    assert drop_exclusions(content) == content


PATHS = [
    b"a.bin",
    b"sub/a.bin",
    b"sub/deep/a.bin",
    b"new\nline.bin",
    b"sub/q[1]/a.bin",
    b'"q".bin',
    b"\xff.bin",
    b"a.txt",
]


@pytest.mark.parametrize(
    ("folder", "pattern", "matched"),
    [
        (b"", b"*.bin", {path for path in PATHS if path.endswith(b".bin")}),
        (b"sub", b"*.bin", {b"sub/a.bin", b"sub/deep/a.bin", b"sub/q[1]/a.bin"}),
        (b"sub", b"/*.bin", {b"sub/a.bin"}),
        (b"sub/q[1]", b"a.bin", {b"sub/q[1]/a.bin"}),
        (b"sub", b"deep/*", {b"sub/deep/a.bin"}),
    ],
)
def test_a_pattern_of_a_folder_as_one_of_the_top(
    folder: bytes, pattern: bytes, matched: set[bytes], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sandbox.root)
    assert match_patterns([anchor_pattern(folder, pattern)], PATHS, discover_repository()) == [matched]


def test_what_is_excluded_does_not_match(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sandbox.root)
    sandbox.write(".gitattributes", b"*.txt theta-chosen\n")
    with PatternMatcher([b"*.bin", b"/*.txt"], [b"sub/**"], discover_repository()) as matcher:
        assert {path for path in PATHS if matcher.matches(path)} == {
            b"a.bin",
            b"new\nline.bin",
            b'"q".bin',
            b"\xff.bin",
            b"a.txt",
        }
