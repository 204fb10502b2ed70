"""Texts merged as Git merges them, and told apart again by sides."""

from __future__ import annotations

import pytest

from git_theta.vcs.merges.text_merge import merge_texts, split_sides
from tests.sandbox import Sandbox

BASE, OURS, THEIRS = b"a\n{\nb\n}\nc\nd\n", b"x\n{\nours\n}\nours too\nd\n", b"a\n{\ntheirs\n}\ntheirs too\nd\n"


def test_texts_without_a_conflict_are_merged() -> None:
    assert merge_texts(b"a\nb\nc\nd\n", b"A\nb\nc\nd\n", b"a\nb\nc\nD\n") == (b"A\nb\nc\nD\n", True)


def test_what_is_no_text_is_not_merged() -> None:
    assert merge_texts(b"a\0", b"b\0", b"c\0") is None


@pytest.mark.parametrize("style", ["merge", "diff3"])
@pytest.mark.parametrize("eol", ["lf", "crlf"])
def test_the_sides_of_a_conflict_are_those_of_git_whatever_the_markers(sandbox: Sandbox, style: str, eol: str) -> None:
    for branch, text in (("base", BASE), ("main", OURS), ("theirs", THEIRS)):
        sandbox.git("switch", "-qC", branch, *([] if branch == "base" else ["base"]))
        sandbox.write("text", text)
        sandbox.commit()
    sandbox.git("switch", "-q", "main")
    sandbox.git("config", "core.eol", eol)
    sandbox.root.joinpath(".git/info/attributes").write_text("text text")
    assert sandbox.git("-c", f"merge.conflictStyle={style}", "merge", "theirs", check=False).returncode == 1
    found, merged = sandbox.read("text"), merge_texts(BASE, OURS, THEIRS)
    assert b"<<<<<<< HEAD" in found and (b"\r\n" in found) == (eol == "crlf")
    assert merged and not merged.is_clean
    assert split_sides(found) == split_sides(merged.text)
    assert split_sides(found).ours == OURS
    assert split_sides(found).theirs == THEIRS.replace(b"a\n", b"x\n")
    assert split_sides(found.replace(b"ours too", b"mine")) != split_sides(merged.text)
