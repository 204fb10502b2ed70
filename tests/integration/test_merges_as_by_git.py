"""`git theta merge` where Git merges file by file: it leaves what that leaves, and says nothing of a stop."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from tests.integration.test_contested_across import TOLD, fork_twice, quantised
from tests.integration.test_hooks_of_others import noting_hooks
from tests.integration.test_sharded_merges import Files, start
from tests.integration.three_branches import BASE, MODEL, added, assert_clean, branch, parents, started
from tests.sandbox import Sandbox, safetensors_bytes
from tests.sharded_checkpoints import INDEX, sharded
from tests.two_branches import objects_of

pytestmark = pytest.mark.forked

UNASKED = "stopped before committing"
THIRD = "model-00003-of-00003.safetensors"
CROSSED = (sharded("abc"), sharded("abc", a=1), sharded("abc", b=2))
"""A checkpoint of one file, and versions that a driver merges."""
CONTESTED = (sharded("abc"), sharded("abc", a=1), sharded("abc", a=2, b=2))


class Left(NamedTuple):
    """What a merge leaves that waits for its commit."""

    staged: str
    notes: tuple[str, ...]
    status: str
    original: str


def left_by(sandbox: Sandbox) -> Left:
    notes = tuple([(sandbox.root / ".git" / f"MERGE_{name}").read_text() for name in ("HEAD", "MODE", "MSG")])
    return Left(
        sandbox.git("ls-files", "--stage").stdout,
        notes,
        sandbox.git("status", "--porcelain").stdout,
        sandbox.git("rev-parse", "ORIG_HEAD").stdout,
    )


SETTINGS = pytest.mark.parametrize("setting", ["", "merge.ff=false", "merge.log=true"])


@SETTINGS
@pytest.mark.parametrize("message", [(), ("-m", "both")], ids=["", "message"])
def test_several_merge_bases_leave_what_git_leaves(sandbox: Sandbox, setting: str, message: tuple[str, ...]) -> None:
    fork_twice(sandbox, *CROSSED)
    with_setting = ("-c", setting) if setting else ()
    sandbox.git(*with_setting, "merge", "--no-commit", *message, "theirs")
    expected = left_by(sandbox)
    sandbox.git("merge", "--abort")
    done = sandbox.git(*with_setting, "theta", "merge", "--no-commit", *message, "theirs")
    assert left_by(sandbox) == expected
    assert "merged, and not committed as requested" in done.stderr
    assert UNASKED not in done.stderr
    sandbox.git("merge", "--abort")
    assert_clean(sandbox)


def test_several_merge_bases_are_committed_without_a_word_of_a_stop(sandbox: Sandbox) -> None:
    fork_twice(sandbox, *CROSSED)
    notes = noting_hooks(sandbox)
    before = sandbox.git("rev-parse", "HEAD", "theirs").stdout.split()
    done = sandbox.theta("merge", "theirs")
    assert UNASKED not in done.stderr
    assert parents(sandbox) == before
    assert sandbox.read(MODEL) == sharded("abc", a=1, b=2)[MODEL]
    assert sandbox.git("log", "-1", "-g", "--format=%gs").stdout == "commit (merge): Merge branch 'theirs'\n"
    assert notes.read_text().split("\n") == [
        "pre-merge-commit 0", "prepare-commit-msg 2", "commit-msg 1", "post-merge 1", ""
    ]  # fmt: skip
    assert_clean(sandbox)


def test_a_conflict_of_several_merge_bases_is_left_as_by_git_and_told_once(sandbox: Sandbox) -> None:
    fork_twice(sandbox, *CONTESTED)
    expected_words = sandbox.git("merge", "theirs", check=False)
    expected = left_by(sandbox)
    sandbox.git("merge", "--abort")
    done = sandbox.theta("merge", "theirs", check=False)
    assert left_by(sandbox) == expected
    assert (done.returncode, done.stdout) == (1, expected_words.stdout)
    assert done.stderr == expected_words.stderr
    assert "contested parameter" in done.stderr


def test_what_drivers_have_to_say_is_said_once(sandbox: Sandbox) -> None:
    broken = safetensors_bytes({"a": ("F32", (4,), np.full(4, np.nan, "<f4").tobytes())})
    versions = [safetensors_bytes({"a": ("F32", (4,), np.full(4, at, "<f4").tobytes())}) for at in range(2)]
    fork_twice(sandbox, *({MODEL: content} for content in (*versions, broken)))
    done = sandbox.theta("merge", "-s", "average", "theirs")
    lines = [line for line in done.stderr.splitlines() if "NaN" in line]
    assert lines
    assert len(lines) == len(set(lines))
    assert lines[0].startswith(f"theta: warning: {MODEL}: ")
    assert sandbox.git("log", "-1", "--format=%(trailers:key=Theta-Merge,valueonly)").stdout.startswith(MODEL)


def test_what_is_in_the_way_is_told_by_git(sandbox: Sandbox) -> None:
    fork_twice(sandbox, *CROSSED)
    mine = sharded("abc", c=3)[MODEL]
    assert mine
    sandbox.write(MODEL, mine)
    expected = sandbox.git("merge", "theirs", check=False)
    done = sandbox.theta("merge", "theirs", check=False)
    assert (done.returncode, done.stderr) == (expected.returncode, expected.stderr)
    assert "would be overwritten" in done.stderr
    assert sandbox.read(MODEL) == mine
    assert not (sandbox.root / ".git/MERGE_HEAD").exists()


@pytest.mark.parametrize("setting", ["merge.ff=only", "merge.verifySignatures=true"])
def test_what_settings_forbid_is_refused_by_git(sandbox: Sandbox, setting: str) -> None:
    fork_twice(sandbox, *CROSSED)
    expected = sandbox.git("-c", setting, "merge", "theirs", check=False)
    done = sandbox.git("-c", setting, "theta", "merge", "theirs", check=False)
    assert (done.returncode, done.stderr) == (expected.returncode, expected.stderr)
    assert done.returncode


def test_a_driver_that_fails_changes_nothing(sandbox: Sandbox) -> None:
    fork_twice(sandbox, *CONTESTED)
    for file in objects_of(sandbox, "theirs", "a"):
        file.unlink()
    done = sandbox.theta("merge", "-s", "average", "theirs", check=False)
    assert done.returncode > 1
    assert "a" in done.stderr
    assert_clean(sandbox)


def test_a_commit_in_the_place_of_a_fast_forward_is_made_without_a_word_of_a_stop(sandbox: Sandbox) -> None:
    started(sandbox)
    tip, before = branch(sandbox, "topic", added(BASE, a__weight=1)), sandbox.git("rev-parse", "HEAD").stdout.strip()
    done = sandbox.git("-c", "merge.ff=false", "theta", "merge", "topic")
    assert UNASKED not in done.stderr
    assert parents(sandbox) == [before, tip]
    assert_clean(sandbox)


def with_third(files: Files, a: float = 0.0, b: float = 0.0) -> Files:
    """The checkpoint with a shard that no index names, of two parameters, and what was added to them."""
    third = sharded("ab", a=a, b=b)[MODEL]
    return {**{path: content for path, content in files.items() if path != INDEX}, THIRD: third}


@pytest.mark.parametrize("ending", [(), ("--no-commit",)], ids=["", "no-commit"])
@pytest.mark.parametrize("strategy", [(), ("-s", "average")], ids=["", "average"])
@pytest.mark.parametrize("several", [False, True], ids=["one base", "several bases"])
def test_nothing_went_well_where_shards_contest(
    sandbox: Sandbox, several: bool, strategy: tuple[str, ...], ending: tuple[str, ...]
) -> None:
    """Codes and scales are contested; a third shard takes a driver, which settles it."""
    theirs = with_third(quantised(56, 2), a=1 if strategy else 0, b=2)
    versions = (with_third(quantised(56, 1)), with_third(quantised(57, 1), a=2), theirs)
    (fork_twice if several else start)(sandbox, *versions)
    done = sandbox.theta("merge", *strategy, *ending, "theirs", check=False)
    assert (done.returncode, TOLD in done.stderr) == (1, True)
    assert "went well" not in done.stderr
    assert not sandbox.git("ls-files", "--unmerged", THIRD).stdout
    assert len(sandbox.git("ls-files", "--unmerged").stdout.splitlines()) == 6
    sandbox.git("merge", "--abort")
    assert_clean(sandbox)
