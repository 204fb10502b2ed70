"""L5, L7: kill -9 at any moment of merges, commits, rebases, cherry-picks: nothing is lost, and a rerun gives the same.

Each story is told until enough kills have landed, which is before the command ended: one in a run of all tests, and as
many as the variable ``KILLS`` says: ``KILLS=100 make test PYTEST=tests/faults/test_killed_at_random.py``.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from git_theta.manifest.text import is_manifest
from tests.faults import faulty_process
from tests.faults.harness import CONVERSATION, MODEL, assert_decent, copied, large, leftovers
from tests.faults.test_merge_stopped import checkpoint
from tests.sandbox import Sandbox
from tests.templates import built_once

pytestmark = pytest.mark.genuine  # a group of processes is killed: all of it dies at once

KILLS = int(os.environ.get("KILLS", "1"))
LARGE = "large.safetensors"
"""A file that is written when Git has hung up."""
MINE, NOTES = "mine.safetensors", "notes.txt"
"""A checkpoint that is being trained, and a file that Git does not know."""
FILES = (MODEL, LARGE, "side.txt", "other.txt", "main.txt")
TRAINED = checkpoint(900, 901)
ABANDONED = 700
"""Seconds after which a file of a killed process is nobody's."""

MERGE = ("theta", "merge", "side")
MERGE_MANY = ("theta", "merge", "side", "other")
COMMIT = ("commit", "--quiet", "--all", "--message", "trained")
REBASE = ("rebase", "--quiet", "main")
CHERRY_PICK = ("cherry-pick", "squashed")
STORIES = [MERGE, MERGE_MANY, COMMIT, REBASE, CHERRY_PICK]


@built_once
def _fork(sandbox: Sandbox) -> None:
    """Three branches that changed two parameters each, which a tracked policy averages; one changed a large file."""
    sandbox.theta("track", "*.safetensors")
    sandbox.write(".theta.toml", b'[[merge]]\nstrategy = "average"\n')
    for path, content in ((MODEL, checkpoint(0, 100)), (MINE, checkpoint(1, 2)), (LARGE, large(0))):
        sandbox.write(path, content)
    sandbox.commit("base")
    for number, name in enumerate(("side", "other", "main"), 1):
        sandbox.git("switch", "-q", *(["main"] if name == "main" else ["-c", name, "main"]))
        sandbox.write(MODEL, checkpoint(number, 100 + number, **{f"of.{name}": 200 + number}))
        sandbox.write(f"{name}.txt", name.encode())
        sandbox.commit(name)
        if name == "side":
            sandbox.write(LARGE, large(1))
            sandbox.commit("a large one")


class Story(NamedTuple):
    """What a command does when it is left alone.

    Attributes:
        root: a repository in which it is about to be given.
        command: arguments of git.
        before, after: files of the worktree by name, then and when it is done.
        branch: the one that it changes.
        tree: what it commits.
        status: what `git status` says when it is done.
        seconds: how long it takes.
    """

    root: Path
    command: tuple[str, ...]
    before: dict[str, bytes]
    after: dict[str, bytes]
    branch: str
    tree: str
    status: str
    seconds: float


@pytest.fixture(params=STORIES, ids=["merge", "merge of three heads", "commit", "rebase", "cherry-pick"])
def story(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> Story:
    """Told once without a kill."""
    command: tuple[str, ...] = request.param
    _fork(sandbox)
    if command == REBASE:
        sandbox.git("switch", "-q", "side")
    else:
        sandbox.write(MINE, TRAINED)
    if command == CHERRY_PICK:  # of one commit: between two, the branch has the first one
        base = sandbox.git("merge-base", "main", "side").stdout.strip()
        squashed = sandbox.git("commit-tree", "-p", base, "-m", "squashed", "side^{tree}").stdout.strip()
        sandbox.git("tag", "squashed", squashed)
    if command == COMMIT:
        sandbox.write(MODEL, checkpoint(7, 107))
        sandbox.write(LARGE, large(2))
    sandbox.write(NOTES, b"my own")
    done = copied(sandbox.root, tmp_path / "done")
    started = time.monotonic()
    done.git(*command)
    seconds = time.monotonic() - started
    branch = "side" if command == REBASE else "main"
    before, after = files_of(sandbox), files_of(done)
    return Story(sandbox.root, command, before, after, branch, tree_of(done, branch), status_of(done), seconds)


def test_killed_at_random(story: Story, tmp_path: Path) -> None:
    landed = 0
    for attempt in range(10 * KILLS):
        sandbox = copied(story.root, tmp_path / f"{attempt}")
        delay, everybody = random.uniform(0, story.seconds), random.random() < 0.5
        with telling(f"{landed} landed; killed {'all' if everybody else 'one'} after {delay:.4f} s"):
            was_at_work, said = kill(sandbox, story.command, delay, everybody=everybody)
            landed += was_at_work
            assert_decent(said)
            assert_nothing_is_lost(sandbox, story)
            assert_comes_out_right(sandbox, story, said)
        subprocess.run(["rm", "-rf", sandbox.root], check=True)
        if landed == KILLS:
            return
    raise AssertionError(f"of {10 * KILLS} kills {landed} landed in {story.seconds:.3f} s")


def test_a_merge_whose_git_is_killed_while_its_filter_writes_is_taken_back(sandbox: Sandbox, tmp_path: Path) -> None:
    _fork(sandbox)
    sandbox.write(MINE, TRAINED)
    before, head = files_of(sandbox), sandbox.git("rev-parse", "HEAD").stdout
    marker = tmp_path / "marker"
    target = "git_theta.operations.restoring.deferred:materialise_file"
    process = faulty_process.command("fault", target, "before", "1", "pause", marker)
    git = subprocess.Popen(
        ["git", "-c", f"filter.theta.process={process}", *MERGE], cwd=sandbox.root, stderr=subprocess.PIPE, text=True
    )
    faulty_process.wait_for(marker, CONVERSATION)
    [reader] = readers_of(git.pid)
    reader.kill()
    while git.poll() is None and readers_of(git.pid) in ([reader], []):
        time.sleep(0.01)
    while git.poll() is None:  # the one that takes it back has a filter too, which stops where the first one did
        marker.unlink(missing_ok=True)
        time.sleep(0.01)
    marker.unlink(missing_ok=True)
    _, said = git.communicate(timeout=CONVERSATION)
    assert git.returncode != 0
    assert_decent(said)
    assert sandbox.git("rev-parse", "HEAD").stdout == head
    assert status_of(sandbox) == f" M {MINE}\n"
    assert files_of(sandbox) == before
    assert sandbox.read(MINE) == TRAINED
    sandbox.git(*MERGE)
    assert sandbox.read(LARGE) == large(1)


def test_a_merge_that_is_killed_while_a_large_file_is_written_is_given_up_at_once(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Git gives up no merge of files that it distrusts, before `git status`: it distrusts none that is not there."""
    _fork(sandbox)
    sandbox.write(MINE, TRAINED)
    before = files_of(sandbox)
    marker = tmp_path / "marker"
    target = "git_theta.operations.restoring.materialise:_write_all"
    process = faulty_process.command("fault", target, "before", "1", "pause", marker)
    command = ["git", "-c", f"filter.theta.process={process}", *MERGE]
    git = subprocess.Popen(command, cwd=sandbox.root, stderr=subprocess.DEVNULL, start_new_session=True)
    faulty_process.wait_for(marker, CONVERSATION)
    os.killpg(git.pid, signal.SIGKILL)
    git.wait()
    assert is_manifest(sandbox.read(LARGE))
    sandbox.git("merge", "--abort")
    assert files_of(sandbox) == before
    assert status_of(sandbox) == f" M {MINE}\n"


def readers_of(git: int) -> list[psutil.Process]:
    """Every `git read-tree` that a process has started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [one for one in psutil.Process(git).children(recursive=True) if "read-tree" in one.cmdline()]
    return []


@contextlib.contextmanager
def telling(how: str) -> Iterator[None]:
    """Say how it was killed where that was not survived."""
    try:
        yield
    except AssertionError as error:
        error.add_note(how)
        raise


def kill(sandbox: Sandbox, command: tuple[str, ...], delay: float, *, everybody: bool) -> tuple[bool, str]:
    """Give a command and kill it, or one of its processes, after ``delay`` seconds.

    Whether it was still at work, and what it said.
    """
    git = subprocess.Popen(
        ["git", *command],
        cwd=sandbox.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(delay)
    landed = git.poll() is None
    if landed and everybody:
        os.killpg(git.pid, signal.SIGKILL)
    elif landed:
        landed = _kill_one(git.pid)
    _, said = git.communicate(timeout=CONVERSATION)  # its errors end when all its processes have
    return landed, said


def _kill_one(git: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        whole = psutil.Process(git)
        random.choice([whole, *whole.children(recursive=True)]).kill()
        return True
    return False


def files_of(sandbox: Sandbox) -> dict[str, bytes]:
    return {path: sandbox.read(path) for path in FILES if (sandbox.root / path).exists()}


def tree_of(sandbox: Sandbox, revision: str) -> str:
    return sandbox.git("rev-parse", f"{revision}^{{tree}}").stdout.strip()


def assert_nothing_is_lost(sandbox: Sandbox, story: Story) -> None:
    """What was the person's own is there to the bit, and the branch is where it was, or where it is to be."""
    untold = Sandbox(story.root)
    assert sandbox.read(NOTES) == untold.read(NOTES)
    assert sandbox.read(MINE) == untold.read(MINE)
    if story.command == COMMIT:
        assert files_of(sandbox) == story.before
    sandbox.theta("fsck")
    assert tree_of(sandbox, story.branch) in (tree_of(untold, story.branch), story.tree)


def assert_comes_out_right(sandbox: Sandbox, story: Story, said: str) -> None:
    """Where it had not come to its end, it can be given up, and given once more. ``said``: what a person has read."""
    for file in leftovers(sandbox):
        os.utime(file, (time.time() - ABANDONED,) * 2)
    sandbox.remove_locks()
    if "`git add` settles" in said:  # the lock of a Git that was killed kept us from telling the index
        sandbox.git("add", LARGE)
    GIVE_UP[story.command](sandbox)
    if tree_of(sandbox, "HEAD") != story.tree:
        take_back(sandbox, story)
        assert files_of(sandbox) == story.before
        assert status_of(sandbox) == status_of(Sandbox(story.root))
        sandbox.git(*story.command)
    check_out_waiting(sandbox)
    assert tree_of(sandbox, story.branch) == story.tree
    assert files_of(sandbox) == story.after
    assert status_of(sandbox) == story.status
    for path in (MODEL, LARGE):
        assert is_manifest(sandbox.git("show", f"HEAD:{path}").stdout.encode())
        (sandbox.root / path).unlink()
    sandbox.git("checkout", "--", MODEL, LARGE)
    assert files_of(sandbox) == story.after
    assert leftovers(sandbox) == []


def take_back(sandbox: Sandbox, story: Story) -> None:
    """Throw away what a killed Git wrote of files before it could write its index; it may be that and nothing else."""
    if story.command == COMMIT:
        return
    for path, content in files_of(sandbox).items():
        assert content == story.before.get(path) or is_begun(content, story.after[path]), path
        if path not in story.before:
            (sandbox.root / path).unlink()
    for file in sandbox.root.glob(".merge_file_*"):  # Git's own
        file.unlink()
    sandbox.git("checkout", "--force", "HEAD", "--", *story.before)
    check_out_waiting(sandbox)


def check_out_waiting(sandbox: Sandbox) -> None:
    """Write what a killed filter did not come to."""
    if any(map(is_manifest, files_of(sandbox).values())):
        sandbox.theta("checkout")


def is_begun(content: bytes, whole: bytes) -> bool:
    """Whether Git, killed while it wrote, may have left this of a file: some of it, or of its manifest."""
    return whole.startswith(content) or is_manifest(content)


def status_of(sandbox: Sandbox) -> str:
    return sandbox.git("status", "--porcelain").stdout


def give_up_merge(sandbox: Sandbox) -> None:
    if (sandbox.root / ".git/MERGE_HEAD").exists():
        sandbox.git("status")  # as MERGE_HEAD says: Git aborts no merge of files that it has not looked at
        sandbox.git("merge", "--abort")


def give_up_commit(sandbox: Sandbox) -> None:
    sandbox.git("reset", "--quiet")  # which Git says to do where it cannot write its index after the commit


def give_up_rebase(sandbox: Sandbox) -> None:
    if (sandbox.root / ".git/rebase-merge").exists():
        sandbox.git("rebase", "--abort")


def give_up_cherry_pick(sandbox: Sandbox) -> None:
    if any((sandbox.root / ".git" / name).exists() for name in ("CHERRY_PICK_HEAD", "sequencer")):
        sandbox.git("status")  # as for a merge
        sandbox.git("cherry-pick", "--abort")


GIVE_UP: dict[tuple[str, ...], Callable[[Sandbox], None]] = {
    MERGE: give_up_merge,
    MERGE_MANY: give_up_merge,
    COMMIT: give_up_commit,
    REBASE: give_up_rebase,
    CHERRY_PICK: give_up_cherry_pick,
}
