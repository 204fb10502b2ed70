"""L5: kill -9 at every stage. Repeating the command succeeds, Git's view is right, and fsck tells the truth."""

from __future__ import annotations

import pytest

from git_theta.manifest.text import is_manifest
from tests.faults.scenes import (
    MODEL,
    Stage,
    afflicted,
    assert_comes_back,
    assert_holds,
    large,
    small,
    streamed,
)
from tests.sandbox import Sandbox

_STORE = "git_theta.store.local:"
_STATE = "git_theta.operations.state:State."
_WRITER = "git_theta.vcs.pktline:Writer."
_DEFERRED = "git_theta.operations.deferred:"

STORE = [
    Stage("git_theta.cli.filter_process:clean", "before"),
    Stage(f"{_STORE}_write", "before"),
    Stage(f"{_STORE}_write", "after"),
    *(Stage("os:fsync", when, nth) for nth in (1, 2, 3) for when in ("before", "after")),
    *(Stage(f"{_STORE}LocalStore._adopt", when, nth) for nth in (1, 2, 3) for when in ("before", "after")),
    *(Stage("git_theta.operations.bundle:Bundle.close", when) for when in ("before", "after")),
    *(Stage(f"{_STORE}LocalStore.sync", when) for when in ("before", "after")),
    *(Stage(f"{_STORE}_fsync_directory", "after", nth) for nth in (1, 2)),
    *(Stage(f"{_STATE}remember", when) for when in ("before", "after")),
    *(Stage(f"{_STATE}remember_clean", when) for when in ("before", "after")),
]

ANSWER = [
    *(Stage(f"{_WRITER}lines", when, 3) for when in ("before", "after")),
    *(Stage(f"{_WRITER}content", when) for when in ("before", "after")),
    *(Stage(f"{_WRITER}flush", when) for when in ("before", "after")),
    Stage(f"{_WRITER}flush", "before", 2),
]

SMUDGE = [
    Stage("git_theta.cli.filter_process:smudge", "before"),
    Stage(f"{_STORE}LocalStore.get", "before"),
    Stage("git_theta.parameters:read", "before", 2),
    *(Stage(f"{_WRITER}lines", when, 3) for when in ("before", "after")),
    *(Stage(f"{_WRITER}content", when, nth) for nth in (1, 2) for when in ("before", "after")),
    Stage(f"{_WRITER}_all", "after", 5),
    *(Stage(f"{_WRITER}flush", when) for when in ("before", "after")),
    Stage(f"{_WRITER}flush", "before", 2),
]

DEFERRED_BEFORE_GIT_ENDS = [
    *(Stage(f"{_DEFERRED}Deferred.add", when) for when in ("before", "after")),
    Stage(f"{_WRITER}flush", "before", 2),
]

DEFERRED = [
    Stage(f"{_WRITER}flush", "after", 2),
    Stage(f"{_DEFERRED}Deferred.write", "before"),
    *(Stage(f"{_DEFERRED}materialise", when) for when in ("before", "after")),
    *(Stage("git_theta.operations.materialise:_write", when, nth) for nth in (1, 3) for when in ("before", "after")),
    *(Stage("pathlib:Path.rename", when) for when in ("before", "after")),
    *(Stage(f"{_DEFERRED}Deferred._refreshed", when) for when in ("before", "after")),
    *(Stage("git_theta.cli.filter_process:refresh", when) for when in ("before", "after")),
]

NESTED = [
    Stage(f"{_WRITER}lines", "before"),
    Stage(f"{_WRITER}content", "before"),
    Stage(f"{_WRITER}flush", "after", 2),
]


@pytest.mark.parametrize("stage", STORE, ids=str)
def test_add_killed_while_it_stores(stage: Stage, empty: Sandbox) -> None:
    assert_survives(empty, stage, streamed())


@pytest.mark.parametrize("stage", ANSWER, ids=str)
def test_add_killed_while_it_answers(stage: Stage, empty: Sandbox) -> None:
    assert_survives(empty, stage, small())


def assert_survives(empty: Sandbox, stage: Stage, content: bytes) -> None:
    """An add that is killed leaves nothing that is wrong, and nothing in the way of the next one."""
    empty.write(MODEL, content)
    assert afflicted(empty, stage, "kill", "add", MODEL).returncode != 0
    assert empty.git("status", "--porcelain").stdout == f"?? {MODEL}\n"
    empty.theta("fsck")
    empty.git("add", MODEL)
    assert_comes_back(empty, content)
    empty.theta("fsck")


@pytest.mark.parametrize("stage", SMUDGE, ids=str)
def test_inline_checkout_killed(stage: Stage, with_small: Sandbox) -> None:
    assert afflicted(with_small, stage, "kill", "checkout", "v0").returncode != 0
    with_small.theta("fsck")
    with_small.git("checkout", "--quiet", "v0")
    assert_holds(with_small, small(0))


@pytest.mark.parametrize("stage", DEFERRED_BEFORE_GIT_ENDS, ids=str)
def test_checkout_killed_before_git_ends(stage: Stage, with_large: Sandbox) -> None:
    assert afflicted(with_large, stage, "kill", "checkout", "v0").returncode != 0
    with_large.theta("fsck")
    with_large.git("checkout", "--quiet", "v0")
    assert_holds(with_large, large(0))


@pytest.mark.parametrize("stage", DEFERRED, ids=str)
def test_deferred_write_killed(stage: Stage, with_large: Sandbox) -> None:
    afflicted(with_large, stage, "kill", "checkout", "v0")
    found = with_large.read(MODEL)
    assert found == large(0) or is_manifest(found)
    assert with_large.git("status", "--porcelain").stdout == ""
    with_large.theta("fsck")
    with_large.theta("checkout")
    assert_holds(with_large, large(0))


@pytest.mark.parametrize("stage", NESTED, ids=str)
def test_index_refresh_killed(stage: Stage, with_large: Sandbox) -> None:
    afflicted(with_large, stage, "kill", "checkout", "v0", mode="nested")
    assert_holds(with_large, large(0))


@pytest.mark.parametrize("stage", DEFERRED[1::5], ids=str)
def test_what_a_killed_deferred_write_left_is_not_added_as_a_change(stage: Stage, with_large: Sandbox) -> None:
    afflicted(with_large, stage, "kill", "checkout", "v0")
    with_large.git("add", "--all")
    assert with_large.git("diff", "--cached", "--stat").stdout == ""
