"""Two processes on one store at the same time: nobody loses anything, and nobody sees a half."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.effort import choose_tries
from tests.integration.checkpoint_history import MODEL, assert_file, assert_round_trip, stored
from tests.sandbox import Sandbox, changed, model

ROUNDS = choose_tries(few=4, many=10)
SHAPES: dict[str, int | tuple[int, ...]] = {
    "embed.weight": (300, 1000), "layer.weight": (2200, 1000), "layer.bias": 1000,
}  # fmt: skip
CHECKPOINT = model(3, **SHAPES)  # 10 MB


def started(sandbox: Sandbox, *args: str) -> subprocess.Popen[str]:
    """``git ARGS``, not waited for."""
    return subprocess.Popen(
        ["git", *args], cwd=sandbox.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def finished(*processes: subprocess.Popen[str]) -> None:
    """All of them have ended well."""
    for process in processes:
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 0, printed


@pytest.fixture
def pair(tmp_path: Path, installed: Path) -> tuple[Sandbox, Sandbox]:
    """A repository and a linked worktree of it."""
    first = Sandbox.create(tmp_path / "first", install=False)
    first.theta("track", "*.safetensors")
    first.write(MODEL, CHECKPOINT)
    first.commit("a model")
    first.git("worktree", "add", "--quiet", "-b", "second", tmp_path / "second")
    return first, Sandbox(tmp_path / "second")


def version(round_: int, branch: int) -> bytes:
    """A checkpoint of which one tensor is new in this round, and another is the same on both branches."""
    both = changed(CHECKPOINT, "layer.bias", round_.to_bytes(4, "little"))
    return changed(both, "embed.weight", bytes([branch, round_]), at=4000)


def test_two_worktrees_add_at_once(pair: tuple[Sandbox, Sandbox]) -> None:
    for round_ in range(ROUNDS):
        for branch, sandbox in enumerate(pair):
            sandbox.write(MODEL, version(round_, branch))
        finished(*[started(sandbox, "add", MODEL) for sandbox in pair])
        finished(*[started(sandbox, "commit", "--quiet", "-m", f"round {round_}") for sandbox in pair])
    for branch, sandbox in enumerate(pair):
        for round_ in (0, ROUNDS // 2, ROUNDS - 1):
            sandbox.git("restore", f"--source=HEAD~{ROUNDS - 1 - round_}", MODEL)
            assert_file(sandbox, MODEL, version(round_, branch))


def test_the_same_bytes_added_at_once_are_stored_once(pair: tuple[Sandbox, Sandbox]) -> None:
    for round_ in range(ROUNDS):
        before = set(stored(pair[0]))
        for sandbox in pair:
            sandbox.write(MODEL, version(round_, 0))
        finished(*[started(sandbox, "add", MODEL) for sandbox in pair])
        one, two = (sandbox.git("rev-parse", f":{MODEL}").stdout for sandbox in pair)
        assert one == two
        assert len(set(stored(pair[0])) - before) <= 2
        finished(*[started(sandbox, "commit", "--quiet", "-m", "again") for sandbox in pair])


def test_a_reader_during_a_writer(pair: tuple[Sandbox, Sandbox]) -> None:
    reader, writer = pair
    for round_ in range(ROUNDS):
        writer.write(MODEL, version(round_, 1))
        adding = started(writer, "add", MODEL)
        (reader.root / MODEL).unlink()
        finished(started(reader, "checkout", "--", MODEL))
        assert_file(reader, MODEL, CHECKPOINT)
        finished(adding)
    assert_round_trip(reader, {MODEL: CHECKPOINT})
    writer.git("commit", "--quiet", "-m", "the last round")
    assert_round_trip(writer, {MODEL: version(ROUNDS - 1, 1)})


def test_two_clones_from_a_store_that_is_written(pair: tuple[Sandbox, Sandbox], tmp_path: Path) -> None:
    source, _ = pair
    for round_ in range(3):
        source.write(MODEL, version(round_, 0))
        adding = started(source, "add", MODEL)
        clones = [tmp_path / f"clone-{round_}-{number}" for number in range(2)]
        finished(*[started(source, "clone", "--quiet", str(source.root), str(clone)) for clone in clones], adding)
        for clone in clones:
            assert_round_trip(Sandbox(clone), {MODEL: CHECKPOINT})
