"""L5: kill -9 at every stage. Repeating the command succeeds, Git's view is right, and fsck tells the truth."""

from __future__ import annotations

import pytest

from git_theta.manifest.text import is_manifest
from git_theta.operations.workers import WHOLE_LIMIT
from git_theta.tensors.arrays import BLOCK
from tests.faults import faulty_process
from tests.faults.harness import (
    MODEL,
    Stage,
    afflicted,
    assert_comes_back,
    assert_holds,
    attempt,
    large,
    objects,
    small,
    streamed,
)
from tests.sandbox import Sandbox, model

_STORE = "git_theta.store.local:"
_STATE = "git_theta.operations.state_database:StateDatabase."
_WRITER = "git_theta.vcs.pktline:PacketWriter."
_DEFERRED = "git_theta.operations.restoring.deferred:"
_INDEX = "git_theta.vcs.index:"

STORE = [
    Stage("git_theta.cli.filter_cleaning:clean_pieces", "before"),
    Stage(f"{_STORE}write_chunk", "before"),
    Stage(f"{_STORE}write_chunk", "after"),
    *(Stage("os:fsync", when, nth) for nth in (1, 2, 3) for when in ("before", "after")),
    *(Stage(f"{_STORE}LocalStore._move_into_place", when, nth) for nth in (1, 2, 3) for when in ("before", "after")),
    *(Stage("git_theta.operations.adding.bundle:Bundle.put", when) for when in ("before", "after")),
    *(Stage(f"{_STORE}LocalStore.sync", when) for when in ("before", "after")),
    *(Stage(f"{_STORE}fsync_directory", "after", nth) for nth in (1, 2)),
    *(Stage(f"{_STATE}remember_storages", when) for when in ("before", "after")),
    *(Stage(f"{_STATE}remember_clean", when) for when in ("before", "after")),
]

ANSWER = [
    *(Stage(f"{_WRITER}write_lines", when, 3) for when in ("before", "after")),
    *(Stage(f"{_WRITER}write_content", when) for when in ("before", "after")),
    *(Stage(f"{_WRITER}flush", when) for when in ("before", "after")),
    Stage(f"{_WRITER}flush", "before", 2),
]

SMUDGE = [
    Stage("git_theta.cli.filter_smudging:smudge_stream", "before"),
    Stage(f"{_STORE}LocalStore.get", "before"),
    Stage("git_theta.operations.restoring.restore:read_values", "before", 2),
    *(Stage(f"{_WRITER}write_lines", when, 3) for when in ("before", "after")),
    *(Stage(f"{_WRITER}write_content", when, nth) for nth in (1, 2) for when in ("before", "after")),
    Stage(f"{_WRITER}_write_all", "after", 5),
    *(Stage(f"{_WRITER}flush", when) for when in ("before", "after")),
    Stage(f"{_WRITER}flush", "before", 2),
]

DEFERRED_BEFORE_GIT_ENDS = [
    *(Stage(f"{_DEFERRED}DeferredFiles.add", when) for when in ("before", "after")),
    Stage(f"{_WRITER}flush", "before", 2),
]

DEFERRED = [
    Stage(f"{_WRITER}flush", "after", 2),
    Stage(f"{_DEFERRED}DeferredFiles.write", "before"),
    *(Stage(f"{_DEFERRED}materialise_file", when) for when in ("before", "after")),
    *(
        Stage("git_theta.operations.restoring.materialise:_write_all", when, nth)
        for nth in (1, 3)
        for when in ("before", "after")
    ),
    *(Stage("pathlib:Path.rename", when) for when in ("before", "after")),
    *(Stage(f"{_INDEX}WorktreeIndex.record_written", when) for when in ("before", "after")),
    *(Stage(f"{_INDEX}patch_index", when) for when in ("before", "after")),
]
INDEX_LOCKED = [Stage(f"{_INDEX}_write_all", when) for when in ("before", "after")]


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


def test_an_add_that_is_repeated_encodes_nothing_anew_that_was_durable(empty: Sandbox) -> None:
    """Killed when most of it was stored: what was remembered by then is known, and its objects stay as they are."""
    shape = (WHOLE_LIMIT // 512 + 1, 128)
    sizes: dict[str, int | tuple[int, ...]] = {f"layer{number}.weight": shape for number in range(9)}
    content = model(8, **sizes)
    empty.write(MODEL, content)
    remembered = Stage(f"{_STATE}remember_storages", "after")  # 64 MiB, or a little more
    assert afflicted(empty, remembered, "kill", "add", MODEL).returncode != 0
    before = {file: file.stat().st_ino for file in objects(empty)}
    assert len(before) >= 4
    chunks = empty.root.parent / "chunks"
    process = faulty_process.command("count", "git_theta.serializers.planes:_pack_arrays", chunks)
    assert attempt(empty, "add", MODEL, process=process).returncode == 0
    blocks = -(-len(content) // BLOCK)
    assert int(chunks.read_text()) < 0.6 * blocks, f"{chunks.read_text()} of {blocks} blocks were encoded again"
    assert {file: file.stat().st_ino for file in objects(empty) if file in before} == before
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


@pytest.mark.parametrize("stage", INDEX_LOCKED, ids=str)
def test_a_write_of_the_index_killed(stage: Stage, with_large: Sandbox) -> None:
    """As when git itself is killed there, the lock stays."""
    afflicted(with_large, stage, "kill", "checkout", "v0")
    assert_holds(with_large, large(0))
    (with_large.root / ".git/index.lock").unlink()
    assert_holds(with_large, large(0))


@pytest.mark.parametrize("stage", DEFERRED[1::5], ids=str)
def test_what_a_killed_deferred_write_left_is_not_added_as_a_change(stage: Stage, with_large: Sandbox) -> None:
    afflicted(with_large, stage, "kill", "checkout", "v0")
    with_large.git("add", "--all")
    assert with_large.git("diff", "--cached", "--stat").stdout == ""
