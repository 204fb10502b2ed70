"""A merge stopped anywhere: nothing is lost, `git merge --abort` gives it up, and repeating gives the same bytes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.faults import faulty_process
from tests.faults.harness import CONVERSATION, MODEL, Stage, assert_comes_back, assert_decent, assert_holds, copied
from tests.sandbox import Sandbox, safetensors_bytes
from tests.templates import built_once
from tests.two_branches import objects_of, stages, tensors

_STORE = "git_theta.store.local:"
_MERGING = "git_theta.vcs.merges.git_merge:"
_RESOLVE = "git_theta.repository.merging.settling:"

DRIVER = [
    Stage("git_theta.cli.merge_driver:apply_plan", "before"),
    Stage(f"{_STORE}LocalStore._move_into_place", "after"),
    Stage("git_theta.vcs.atomic:replace_file", "before"),
    Stage("git_theta.vcs.atomic:replace_file", "after"),
]
N_WAY = [
    Stage(f"{_STORE}LocalStore._move_into_place", "before"),
    Stage("git_theta.vcs.trees:write_blob", "after"),
    Stage(f"{_MERGING}begin_merge", "after"),
    *(Stage(f"{_MERGING}_write_merge_heads", when) for when in ("before", "after")),
]
RESOLVE = [
    *(Stage("git_theta.vcs.atomic:replace_file", when) for when in ("before", "after")),
    Stage(f"{_RESOLVE}stage_content", "after"),
    Stage("git_theta.operations.restoring.deferred:DeferredFiles.write", "before"),
]
RESOLVE_SOME = [
    *(Stage("git_theta.vcs.atomic:replace_file", when) for when in ("before", "after")),
    Stage(f"{_RESOLVE}write_note", "after"),
    Stage(f"{_RESOLVE}materialise_file", "after"),
]


def tensor(start: int) -> tuple[str, tuple[int, ...], bytes]:
    return "F32", (4, 4), np.arange(start, start + 16, dtype="<f4").tobytes()


def checkpoint(a: int, b: int, **more: int) -> bytes:
    """Two parameters, and more; each is told by a number."""
    return safetensors_bytes({name: tensor(start) for name, start in {"a": a, "b": b, **more}.items()})


class Merges(NamedTuple):
    """A repository to copy, and what its merges come out as when nothing goes wrong.

    On ``main``, ``side`` and ``other`` the same two parameters were changed and a new one was added.
    """

    root: Path
    ours: bytes
    two: bytes
    many: bytes
    tree: str


@pytest.fixture(scope="module")
def merges(tmp_path_factory: pytest.TempPathFactory) -> Merges:
    """Made, and merged, once."""
    root = tmp_path_factory.mktemp("merges")
    sandbox = Sandbox.create(root / "template")
    _record_heads(sandbox)
    ours = sandbox.read(MODEL)
    done = copied(sandbox.root, root / "done")
    _merge_two(done)
    two = done.read(MODEL)
    _merge_three(done)
    assert tensors(two).keys() == {"a", "b", "of.side", "of.main"}
    return Merges(sandbox.root, ours, two, done.read(MODEL), tree(done))


@built_once
def _record_heads(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write(MODEL, checkpoint(0, 100))
    sandbox.commit("base")
    for number, name in enumerate(("side", "other", "main"), 1):
        sandbox.git("switch", "-q", *(["main"] if name == "main" else ["-c", name, "main"]))
        sandbox.write(MODEL, checkpoint(number, 100 + number, **{f"of.{name}": 200 + number}))
        sandbox.write(f"{name}.txt", name.encode())
        sandbox.commit(name)


@built_once
def _merge_two(sandbox: Sandbox) -> None:
    sandbox.git("merge", "-q", "--no-edit", "side", env={"GIT_THETA_STRATEGY": "theirs"})


@built_once
def _merge_three(sandbox: Sandbox) -> None:
    """In the place of the merge of two."""
    sandbox.git("reset", "-q", "--hard", "main@{1}")
    sandbox.theta("merge", "side", "other", "-s", "base")


@pytest.fixture
def repository(merges: Merges, tmp_path: Path) -> Sandbox:
    """Before any merge."""
    return copied(merges.root, tmp_path / "repository")


@pytest.fixture
def conflict(repository: Sandbox) -> Sandbox:
    """With two parameters contested."""
    assert repository.git("merge", "side", check=False).returncode == 1
    return repository


def tree(sandbox: Sandbox) -> str:
    return sandbox.git("rev-parse", "HEAD^{tree}").stdout.strip()


def under_way(sandbox: Sandbox) -> bool:
    return (sandbox.root / ".git/MERGE_HEAD").exists()


def driven(sandbox: Sandbox, stage: Stage, fault: str) -> subprocess.CompletedProcess[str]:
    """``git merge side`` with a fault in the driver, which must be reached."""
    marker = sandbox.root.parent / "marker"
    program = faulty_process.command("driver", stage.target, stage.when, str(stage.nth), fault, marker)
    setting = f"merge.theta.driver={program} %O %A %B %L %P"
    done = sandbox.git(
        "-c", setting, "merge", "--no-edit", "side", check=False, env={"GIT_THETA_STRATEGY": "theirs"}
    )  # fmt: skip
    marker.unlink()
    assert_decent(done.stderr)
    return done


def words(sandbox: Sandbox, stage: Stage, fault: str, *args: str) -> list[str]:
    """``git theta ARGS`` with a fault at a stage."""
    marker = sandbox.root.parent / "marker"
    where = [stage.target, stage.when, str(stage.nth), fault, str(marker)]
    return faulty_process.command_words("theta", *where, *args)


def afflicted(sandbox: Sandbox, stage: Stage, fault: str, *args: str) -> subprocess.CompletedProcess[str]:
    """``git theta ARGS`` with a fault at a stage, which must be reached."""
    done = sandbox.run(*words(sandbox, stage, fault, *args), check=False)
    (sandbox.root.parent / "marker").unlink()
    assert_decent(done.stderr)
    return done


def assert_nothing_happened(sandbox: Sandbox, merges: Merges) -> None:
    assert sandbox.git("rev-parse", "HEAD").stdout == sandbox.git("rev-parse", "main").stdout
    assert_holds(sandbox, merges.ours)
    assert not under_way(sandbox)


def assert_merges(sandbox: Sandbox, merges: Merges) -> None:
    """Two heads, after whatever happened."""
    sandbox.git("merge", "-q", "--no-edit", "side", env={"GIT_THETA_STRATEGY": "theirs"})
    assert_holds(sandbox, merges.two)
    assert_comes_back(sandbox, merges.two)


MANY, TWO = ("side", "other", "-s", "base"), ("side", "-s", "theirs")
"""Arguments of ``git theta merge``: of two branches, and of one."""
ASKED = pytest.mark.parametrize("asked", [MANY, TWO], ids=["three heads", "two heads"])


def assert_merges_at_once(sandbox: Sandbox, merges: Merges, asked: tuple[str, ...]) -> None:
    sandbox.theta("merge", *asked)
    merged = merges.many if asked == MANY else merges.two
    assert asked != MANY or tree(sandbox) == merges.tree
    assert_holds(sandbox, merged)
    assert_comes_back(sandbox, merged)


@pytest.mark.parametrize("stage", DRIVER, ids=str)
def test_driver_killed(stage: Stage, repository: Sandbox, merges: Merges) -> None:
    assert driven(repository, stage, "kill").returncode != 0
    assert stages(repository, MODEL) == [1, 2, 3]
    assert repository.read(MODEL) in (merges.ours, merges.two)
    repository.git("merge", "--abort")
    assert_nothing_happened(repository, merges)
    assert_merges(repository, merges)


def test_what_a_killed_driver_left_can_be_resolved(repository: Sandbox, merges: Merges) -> None:
    driven(repository, Stage("git_theta.vcs.atomic:replace_file", "before"), "kill")
    repository.theta("resolve", "--theirs")
    repository.git("commit", "-q", "--no-edit")
    assert_holds(repository, merges.two)


@pytest.mark.parametrize(
    "stage", [Stage(f"{_STORE}write_chunk", "before"), Stage("git_theta.vcs.atomic:os.fsync", "before", 1)], ids=str
)
def test_no_space_left_for_the_driver(stage: Stage, repository: Sandbox, merges: Merges) -> None:
    done = driven(repository, stage, "ENOSPC")
    assert done.returncode != 0
    assert os.strerror(errno.ENOSPC) in done.stderr
    assert repository.read(MODEL) == merges.ours
    repository.git("merge", "--abort")
    assert_nothing_happened(repository, merges)
    assert_merges(repository, merges)


@ASKED
@pytest.mark.parametrize("stage", N_WAY, ids=str)
def test_a_merge_at_once_killed(asked: tuple[str, ...], stage: Stage, repository: Sandbox, merges: Merges) -> None:
    assert afflicted(repository, stage, "kill", "merge", *asked).returncode < 0
    if under_way(repository):
        done = repository.git("commit", "--no-edit", check=False)
        if done.returncode:
            assert "git merge --abort" in done.stderr
        else:  # all was there but the commit
            assert asked != MANY or tree(repository) == merges.tree
            repository.git("reset", "-q", "--hard", "HEAD^")
            return
        repository.git("merge", "--abort")
    repository.git("reset", "-q", "--merge")  # what git, which was not killed, had staged already
    assert_nothing_happened(repository, merges)
    assert_merges_at_once(repository, merges, asked)


@ASKED
@pytest.mark.parametrize(
    "stage", [Stage(f"{_STORE}write_chunk", "before"), Stage(f"{_MERGING}add_trailers", "before")], ids=str
)
def test_no_space_left_at_once(asked: tuple[str, ...], stage: Stage, repository: Sandbox, merges: Merges) -> None:
    done = afflicted(repository, stage, "ENOSPC", "merge", *asked)
    assert done.returncode > 0
    assert os.strerror(errno.ENOSPC) in done.stderr
    assert_nothing_happened(repository, merges)
    assert_merges_at_once(repository, merges, asked)


@ASKED
def test_a_check_out_that_fails_half_way_is_taken_back(
    asked: tuple[str, ...], repository: Sandbox, merges: Merges
) -> None:
    (repository.root / ".git/info/attributes").write_text("side.txt filter=broken\n")
    repository.git("config", "filter.broken.smudge", "false")
    repository.git("config", "filter.broken.required", "true")
    done = repository.theta("merge", "side", "other", "-s", "base", check=False)
    assert done.returncode == 7
    assert "side.txt" in done.stderr
    assert_nothing_happened(repository, merges)
    (repository.root / ".git/info/attributes").unlink()
    assert_merges_at_once(repository, merges, asked)


@pytest.mark.parametrize("stage", RESOLVE, ids=str)
def test_resolve_killed(stage: Stage, conflict: Sandbox, merges: Merges) -> None:
    assert afflicted(conflict, stage, "kill", "resolve", "--theirs").returncode < 0
    conflict.theta("resolve", "--theirs")
    conflict.theta("checkout")
    conflict.git("commit", "-q", "--no-edit")
    assert_holds(conflict, merges.two)


@pytest.mark.parametrize("stage", RESOLVE_SOME, ids=str)
def test_resolve_killed_with_something_left(stage: Stage, conflict: Sandbox, merges: Merges) -> None:
    command = ("resolve", "--theirs", "--only", "a")
    assert afflicted(conflict, stage, "kill", *command).returncode < 0
    assert stages(conflict, MODEL) == [1, 2, 3]
    conflict.theta(*command, check=False)
    conflict.theta("resolve", "--theirs")
    conflict.git("commit", "-q", "--no-edit")
    assert_holds(conflict, merges.two)


@pytest.mark.parametrize("fault", [Stage(f"{_RESOLVE}stage_content", "before"), Stage("os:fsync", "before")], ids=str)
def test_no_space_left_for_resolve(fault: Stage, conflict: Sandbox, merges: Merges) -> None:
    done = afflicted(conflict, fault, "ENOSPC", "resolve", "--theirs")
    assert done.returncode > 0
    assert os.strerror(errno.ENOSPC) in done.stderr
    assert stages(conflict, MODEL) == [1, 2, 3]
    conflict.theta("resolve", "--theirs")
    conflict.git("commit", "-q", "--no-edit")
    assert_holds(conflict, merges.two)


INTERRUPTED = [Stage(f"{_STORE}write_chunk", "before"), Stage(f"{_MERGING}_write_merge_heads", "before")]


@pytest.mark.genuine  # a group of processes is killed: all of it dies at once
@pytest.mark.usefixtures("interruptible")
@ASKED
@pytest.mark.parametrize("stage", INTERRUPTED, ids=str)
def test_a_merge_at_once_interrupted(asked: tuple[str, ...], stage: Stage, repository: Sandbox, merges: Merges) -> None:
    """As the terminal does it: git and we are both told."""
    command = words(repository, stage, "pause", "merge", *asked)
    process = subprocess.Popen(
        command,
        cwd=repository.root,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    marker = repository.root.parent / "marker"
    faulty_process.wait_for(marker, CONVERSATION)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=CONVERSATION)
    marker.unlink()
    assert process.returncode == 130
    assert_decent(said)
    assert_nothing_happened(repository, merges)
    assert_merges_at_once(repository, merges, asked)


@pytest.mark.genuine  # a group of processes is killed: all of it dies at once
@pytest.mark.usefixtures("interruptible")
def test_the_driver_interrupted(repository: Sandbox, merges: Merges) -> None:
    marker = repository.root.parent / "marker"
    program = faulty_process.command("driver", "git_theta.vcs.atomic:replace_file", "before", "1", "pause", marker)
    setting = f"merge.theta.driver={program} %O %A %B %L %P"
    process = subprocess.Popen(
        ["git", "-c", setting, "merge", "--no-edit", "side"],
        cwd=repository.root,
        env={**os.environ, "GIT_THETA_STRATEGY": "theirs"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    faulty_process.wait_for(marker, CONVERSATION)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=CONVERSATION)
    marker.unlink()
    assert process.returncode != 0
    assert_decent(said)
    assert not list(repository.root.glob(".merge_file_*"))  # git's own, which it leaves behind
    assert_nothing_happened(repository, merges)
    assert_merges(repository, merges)


def newer(sandbox: Sandbox) -> None:
    """``other`` gets a manifest of a version that is to come."""
    text = sandbox.git("show", f"other:{MODEL}").stdout.replace("manifest 1\n", "manifest 2\n", 1)
    oid = sandbox.git("hash-object", "-w", "--stdin", "--no-filters", input=text).stdout.strip()
    sandbox.git("switch", "-q", "other")
    sandbox.git("update-index", "--cacheinfo", f"100644,{oid},{MODEL}")
    sandbox.git("commit", "-q", "-m", "newer")
    sandbox.git("switch", "-qf", "main")


@pytest.mark.parametrize("command", ["merge", "resolve"])
@pytest.mark.parametrize("damage", ["missing", "corrupt"])
def test_an_object_that_cannot_be_read_is_named(damage: str, command: str, repository: Sandbox, merges: Merges) -> None:
    [lost] = objects_of(repository, "side", "a")
    if command == "resolve":
        repository.git("merge", "side", check=False)
        before = repository.read(MODEL)
    else:
        before = merges.ours
    if damage == "missing":
        lost.unlink()
    else:
        lost.chmod(0o644)
        lost.write_bytes(bytes(lost.stat().st_size))
    done = repository.theta(command, *(["side", "other"] if command == "merge" else []), "-s", "average", check=False)
    assert done.returncode == (3 if damage == "missing" else 4), done.stderr
    assert all(words in done.stderr for words in (f"{MODEL}: ", lost.name, "hint: ")), done.stderr
    assert repository.read(MODEL) == before
    if command == "resolve":
        assert stages(repository, MODEL) == [1, 2, 3]
        repository.git("merge", "--abort")
    assert_nothing_happened(repository, merges)


def test_a_manifest_of_a_newer_version_among_many_heads(repository: Sandbox, merges: Merges) -> None:
    newer(repository)
    done = repository.theta("merge", "side", "other", "-s", "base", check=False)
    assert done.returncode == 5
    assert f"{MODEL}: " in done.stderr and "version 2" in done.stderr and "hint: " in done.stderr
    assert_nothing_happened(repository, merges)
