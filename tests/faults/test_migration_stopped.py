"""kill -9 and a full disk in a migration: history is what it was, or what it was to be; and a rerun finishes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.timing import probe_command
from git_theta.manifest.text import is_manifest
from tests.faults import faulty_process
from tests.faults.conftest import Disk
from tests.faults.harness import CONVERSATION, MODEL, Stage, large
from tests.integration.random_histories import read_refs
from tests.integration.test_memory import LARGE, single, within_budget
from tests.sandbox import Sandbox, changed
from tests.templates import built_once, copy_repository

KILLS = int(os.environ.get("KILLS", "2"))
_ROOM = "git_theta.repository.migrating."
_FOLLOWING = [
    *(Stage(f"{_ROOM}migrated_worktree:_write_attributes", when) for when in ("before", "after")),
    *(Stage(f"{_ROOM}migrated_worktree:_record_files", when) for when in ("before", "after")),
]
IMPORTING = [
    *(Stage("git_theta.vcs.fast_import:HistoryImport.finish", when) for when in ("before", "after")),
    Stage(f"{_ROOM}migration:write_record", "after"),
    Stage(f"{_ROOM}migration:move_refs", "after"),
    *_FOLLOWING,
]
UNDOING = [
    *(Stage(f"{_ROOM}migration_undo:move_refs_back", when) for when in ("before", "after")),
    *_FOLLOWING,
    Stage(f"{_ROOM}migration_undo:remove_record", "before"),
]
IMPORT = ("git", "theta", "migrate", "import", "--include", "*.safetensors")
NOTHING_LEFT = ("nothing to import", "no commit tracks anything", "no migration is left")
"""What a command says that had come to its end before it was killed."""


def version(number: int) -> bytes:
    """Different for each number."""
    return changed(large(0), "embed.weight", at=4 * number)


@built_once
def _record_raw(sandbox: Sandbox) -> None:
    for number in range(4):
        sandbox.write(MODEL, version(number))
        sandbox.commit(f"version {number}")


@pytest.fixture
def raw(sandbox: Sandbox) -> Sandbox:
    """Versions of a large checkpoint that Git holds as they are."""
    _record_raw(sandbox)
    return sandbox


def assert_whole(sandbox: Sandbox, *, manifests: bool = True) -> None:
    """Worktree, index and history agree, and Git holds what it is to hold of every version."""
    assert sandbox.git("status", "--porcelain").stdout == ""
    assert sandbox.read(MODEL) == version(3)
    for number in range(4):
        command = ["git", "cat-file", "blob", f"HEAD~{number}:{MODEL}"]
        blob = subprocess.run(command, cwd=sandbox.root, check=True, capture_output=True).stdout
        assert is_manifest(blob) if manifests else blob == version(3 - number)
    assert sandbox.theta("fsck").returncode == 0
    assert sandbox.git("for-each-ref", "refs/theta/migrating", "refs/notes/theta-migrating").stdout == ""


class Command(NamedTuple):
    """A migration that is killed: what went before it, itself, and whether manifests are what it leaves."""

    before: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]
    manifests: bool


COMMANDS = {
    "import": Command((), IMPORT[2:], manifests=True),
    "export": Command((IMPORT[2:],), ("migrate", "export"), manifests=False),
    "undo": Command((IMPORT[2:],), ("migrate", "undo"), manifests=False),
}


@pytest.mark.genuine  # a group of processes is killed: all of it dies at once
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_killed_at_random(command: Command, raw: Sandbox, tmp_path: Path) -> None:
    for words in command.before:
        raw.theta(*words)
    template, given = tmp_path / "template", ("git", "theta", *command.words)
    shutil.move(raw.root, template)
    copy_repository(template, tmp_path / "timed")
    started = time.monotonic()
    subprocess.run(given, cwd=tmp_path / "timed", check=True, capture_output=True, timeout=CONVERSATION)
    seconds, landed, before = time.monotonic() - started, 0, read_refs(Sandbox(template))
    after = read_refs(Sandbox(tmp_path / "timed"))
    for number in range(20 * KILLS):
        copy_repository(template, tmp_path / f"run{number}")
        sandbox = Sandbox(tmp_path / f"run{number}")
        process = subprocess.Popen(
            given, cwd=sandbox.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(random.uniform(0.1, 1.05) * seconds)
        ended = process.poll() is not None
        if not ended:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert read_refs(sandbox) in (before, after)
        assert sandbox.read(MODEL) == version(3)
        sandbox.remove_locks()
        done = sandbox.theta(*command.words, check=False)
        assert done.returncode == 0 or any(words in done.stderr for words in NOTHING_LEFT), done.stderr
        assert read_refs(sandbox) == after
        assert_whole(sandbox, manifests=command.manifests)
        shutil.rmtree(sandbox.root)
        landed += not ended
        if landed >= KILLS:
            return
    raise AssertionError(f"of {20 * KILLS} kills {landed} landed in {seconds:.3f} s")


def kill_at(stage: Stage, sandbox: Sandbox, *args: str) -> None:
    """``git theta ARGS``, killed at a stage, which must be reached."""
    marker = sandbox.root.parent / "marker"
    words = ("theta", stage.target, stage.when, str(stage.nth), "kill", marker)
    command = faulty_process.command_words(*words, *args)
    done = subprocess.run(command, cwd=sandbox.root, capture_output=True, timeout=CONVERSATION)
    assert done.returncode == -signal.SIGKILL, done.stderr
    marker.unlink()


@pytest.mark.parametrize("stage", IMPORTING, ids=str)
def test_an_import_killed_at_a_stage_is_finished_by_the_next(stage: Stage, raw: Sandbox) -> None:
    before, inode = read_refs(raw), (raw.root / MODEL).stat().st_ino
    kill_at(stage, raw, *IMPORT[2:])
    assert (read_refs(raw) == before) is not (len(raw.git("for-each-ref", "refs/theta/original").stdout) > 0)
    assert raw.read(MODEL) == version(3)
    done = raw.theta(*IMPORT[2:], check=False)
    assert done.returncode == 0 or "nothing to import" in done.stderr, done.stderr
    assert_whole(raw)
    assert (raw.root / MODEL).stat().st_ino == inode


@pytest.mark.parametrize("stage", UNDOING, ids=str)
def test_an_undo_killed_at_a_stage_is_finished_by_the_next(stage: Stage, raw: Sandbox) -> None:
    before = read_refs(raw)
    raw.theta(*IMPORT[2:])
    kill_at(stage, raw, "migrate", "undo")
    done = raw.theta("migrate", "undo", check=False)
    assert done.returncode == 0 or "no migration is left" in done.stderr, done.stderr
    assert read_refs(raw) == before
    assert raw.git("status", "--porcelain").stdout == ""
    assert raw.read(MODEL) == version(3)
    assert raw.git("for-each-ref", "refs/theta").stdout == ""


def test_what_somebody_writes_meanwhile_is_seen_as_changed(raw: Sandbox) -> None:
    marker, target = raw.root.parent / "marker", f"{_ROOM}migration:move_refs"
    command = faulty_process.command_words("theta", target, "before", "1", "pause", marker, *IMPORT[2:])
    process = subprocess.Popen(command, cwd=raw.root, stderr=subprocess.DEVNULL)
    faulty_process.wait_for(marker, CONVERSATION)
    raw.write(MODEL, version(7))  # of the very size
    marker.unlink()
    assert process.wait(CONVERSATION) == 0
    assert raw.git("status", "--porcelain").stdout == f" M {MODEL}\n"
    assert raw.read(MODEL) == version(7)


@pytest.mark.parametrize(
    ("name", "full"), [("import", ".git/theta"), ("import", ".git/objects"), ("export", ".git/objects")]
)
def test_a_disk_that_fills_up(name: str, full: str, raw: Sandbox, mounted: Callable[[Path, int], Disk]) -> None:
    command = COMMANDS[name]
    for words in command.before:
        raw.theta(*words)
    if name == "export":  # or what it makes is here already
        refs = raw.git("for-each-ref", "--format=delete %(refname)", "refs/theta").stdout
        raw.git("update-ref", "--stdin", input=refs)
        raw.git("reflog", "expire", "--expire=now", "--all")
        raw.git("-c", "gc.pruneExpire=now", "gc", "--quiet", "--prune=now")
    before = read_refs(raw)
    place = raw.root / full
    place.mkdir(exist_ok=True)
    place.rename(raw.root.parent / "moved")
    disk = mounted(place, 64)
    shutil.copytree(raw.root.parent / "moved", place, dirs_exist_ok=True)
    filler = place / "filler"
    with filler.open("wb") as file:
        free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
        file.write(bytes(max(0, free - (200_000 if full == ".git/theta" else 0))))
    done = raw.theta(*command.words, check=False)
    assert done.returncode in (1, 6, 7), done.stderr
    assert "unexpected" not in done.stderr
    assert read_refs(raw) == before
    assert raw.read(MODEL) == version(3)
    filler.unlink()
    raw.theta(*command.words)
    assert_whole(raw, manifests=command.manifests)
    assert disk.folder == place


def test_l6_a_large_blob_is_never_held(sandbox: Sandbox) -> None:
    """Neither here nor in Git: there, and back."""
    single(sandbox.root / "model.bin", LARGE)
    digest = sandbox.sha("model.bin")
    sandbox.git("config", "core.bigFileThreshold", "16m")  # or else Git itself compresses all of it, in memory
    sandbox.git("config", "core.compression", "0")
    sandbox.commit("large")
    for command in (("import", "--include", "*.bin"), ("export",)):
        within_budget(probe_command(["git", "theta", "migrate", *command], sandbox.root, 0.02))
        assert sandbox.git("status", "--porcelain").stdout == ""
    assert sandbox.sha("model.bin") == digest
    shutil.rmtree(sandbox.root)
