"""``git theta gc`` beside an add, push, fetch, merge ... that needs what it is about to delete: nothing is lost."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.effort import choose_tries
from tests.integration.checkpoint_history import MODEL, assert_file
from tests.sandbox import Sandbox, changed, model
from tests.two_branches import BASE, contested
from tests.two_branches import MODEL as BRANCHED

ROUNDS = choose_tries(few=2, many=100)
SHAPES: dict[str, int | tuple[int, ...]] = {
    "embed.weight": (300, 1000),
    "layer.weight": (600, 1000),
    "layer.bias": 1000,
}
FIRST = model(3, **SHAPES)
SECOND = changed(changed(FIRST, "embed.weight"), "layer.bias")
OLD = 100 * 24 * 3600


def age(sandbox: Sandbox) -> None:
    """Have all objects look as old as those that are collected."""
    folder = sandbox.root / (".git/theta" if (sandbox.root / ".git").exists() else "theta")
    for file in folder.glob("objects/??/??/*"):
        os.utime(file, (time.time() - OLD,) * 2)


def forget(sandbox: Sandbox) -> None:
    """Have Git forget what no ref names."""
    sandbox.git("reflog", "expire", "--expire=now", "--all")
    folder = sandbox.root / ".git" if (sandbox.root / ".git").exists() else sandbox.root
    for name in ("ORIG_HEAD", "FETCH_HEAD", "AUTO_MERGE"):
        (folder / name).unlink(missing_ok=True)


def race(collector: Sandbox, actor: Sandbox, *command: str, options: tuple[str, ...] = (), refusal: str = "") -> None:
    """``git theta gc`` in one repository beside a command in another, or the same; both must end well.

    ``refusal``: what the collection may say instead.
    """

    def start(sandbox: Sandbox, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["git", *words], cwd=sandbox.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def collect() -> subprocess.Popen[str]:
        return start(collector, "theta", "gc", *options)

    def act() -> subprocess.Popen[str]:
        return start(actor, *command)

    one, other = random.sample([collect, act], 2)
    first = one()
    time.sleep(random.uniform(0, 0.4))
    second = other()
    for process, begin in ((first, one), (second, other)):
        printed, _ = process.communicate(timeout=120)
        refused = begin is collect and refusal and refusal in printed
        assert process.returncode == 0 or refused, printed


def assert_whole(sandbox: Sandbox) -> None:
    done = sandbox.theta("fsck", check=False)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def repository(tmp_path: Path, installed: Path) -> Sandbox:
    """A checkpoint in its first version; the second was added before, and dropped."""
    sandbox = Sandbox.create(tmp_path / "repository", install=False)
    sandbox.theta("track", "*.safetensors")
    sandbox.write(MODEL, FIRST)
    sandbox.commit("first")
    return sandbox


def drop(sandbox: Sandbox) -> None:
    """What no ref has any more is known here, is old, and is not needed."""
    sandbox.write(MODEL, SECOND)
    sandbox.commit("second")
    sandbox.git("reset", "-q", "--hard", "HEAD~")
    forget(sandbox)
    age(sandbox)


def test_beside_an_add(repository: Sandbox) -> None:
    for _ in range(ROUNDS):
        drop(repository)
        repository.write(MODEL, SECOND)
        race(repository, repository, "add", MODEL)
        repository.git("commit", "-qm", "second again")
        assert_whole(repository)
        repository.git("restore", "--source=HEAD", "--staged", "--worktree", MODEL)
        assert_file(repository, MODEL, SECOND)
        repository.git("reset", "-q", "--hard", "HEAD~")


def test_beside_a_commit(repository: Sandbox) -> None:
    for _ in range(ROUNDS):
        drop(repository)
        repository.write(MODEL, SECOND)
        race(repository, repository, "commit", "-qam", "second again")
        assert_whole(repository)
        assert_file(repository, MODEL, SECOND)
        repository.git("reset", "-q", "--hard", "HEAD~")


WITHOUT_GRACE = {
    "add": ("add", MODEL),
    "commit": ("commit", "-qam", "second again"),
    "commit of one file": ("commit", "-qm", "second again", "--", MODEL),
    "stash": ("stash", "push", "-q"),
}


@pytest.mark.parametrize("command", WITHOUT_GRACE.values(), ids=WITHOUT_GRACE)
def test_without_grace(command: tuple[str, ...], repository: Sandbox) -> None:
    for _ in range(ROUNDS):
        drop(repository)
        repository.write(MODEL, SECOND)
        race(repository, repository, *command, options=("--grace", "now"), refusal="Git is at work here")
        assert_whole(repository)
        if command[0] == "stash":
            repository.git("stash", "pop", "-q")
        assert_file(repository, MODEL, SECOND)
        repository.git("reset", "-q", "--hard", ":/first")


def test_beside_an_add_that_the_clean_cache_answers(repository: Sandbox) -> None:
    """The file is as it was when it was added under this name, and was forgotten since."""
    file = repository.write("other.safetensors", SECOND)
    for _ in range(ROUNDS):
        repository.git("add", "other.safetensors")
        repository.git("rm", "-q", "--cached", "other.safetensors")
        forget(repository)
        age(repository)
        race(repository, repository, "add", "other.safetensors")
        assert_whole(repository)
        assert file.read_bytes() == SECOND
        repository.git("rm", "-q", "--cached", "other.safetensors")


def test_beside_a_stash_and_its_return(repository: Sandbox) -> None:
    """From the worktree to a ref, and from there to the index."""
    for _ in range(ROUNDS):
        repository.write(MODEL, SECOND)
        repository.git("add", MODEL)
        age(repository)
        race(repository, repository, "stash", "push", "--quiet", options=("--grace", "1.day"))
        assert_whole(repository)
        age(repository)
        race(repository, repository, "stash", "pop", "--quiet", "--index", options=("--grace", "1.day"))
        assert_whole(repository)
        assert repository.read(MODEL) == SECOND
        repository.git("reset", "-q", "--hard")
        forget(repository)


def test_beside_a_push_into_the_repository(repository: Sandbox, tmp_path: Path) -> None:
    bare = Sandbox.create(tmp_path / "bare.git", install=False, bare=True)
    repository.git("remote", "add", "origin", bare.root)
    repository.write(MODEL, SECOND)
    repository.commit("second")
    for round_ in range(ROUNDS):
        repository.git("push", "-q", "origin", f"main:refs/heads/b{round_}")
        bare.git("update-ref", "-d", f"refs/heads/b{round_}")
        age(bare)
        race(bare, repository, "push", "-q", "origin", f"main:refs/heads/c{round_}")
        assert_whole(bare)
        bare.git("update-ref", "-d", f"refs/heads/c{round_}")


def test_beside_a_push_out_of_the_repository(repository: Sandbox, tmp_path: Path) -> None:
    bare = Sandbox.create(tmp_path / "bare.git", install=False, bare=True)
    repository.git("remote", "add", "origin", bare.root)
    for round_ in range(ROUNDS):
        repository.write(MODEL, changed(SECOND, "layer.weight", round_.to_bytes(4, "little")))
        repository.commit(f"round {round_}")
        age(repository)
        race(repository, repository, "push", "-q", "origin", "main")
        assert_whole(bare)
        assert_whole(repository)


def test_beside_a_fetch_and_a_checkout(repository: Sandbox, tmp_path: Path) -> None:
    """The objects are here, old, and needed by nothing until the ref comes back."""
    clone = Sandbox.clone(repository, tmp_path / "clone")
    repository.write(MODEL, SECOND)
    repository.commit("second")
    for _ in range(ROUNDS):
        clone.git("fetch", "-q", "origin")
        clone.git("checkout", "-q", "--detach", "origin/main")
        clone.git("checkout", "-q", "--detach", "main")
        clone.git("update-ref", "-d", "refs/remotes/origin/main")
        forget(clone)
        age(clone)
        race(clone, clone, "fetch", "-q", "origin")
        race(clone, clone, "checkout", "-q", "--detach", "origin/main")
        assert_file(clone, MODEL, SECOND)
        assert_whole(clone)
        clone.git("checkout", "-q", "--detach", "main")


def test_beside_a_fetch_of_objects(repository: Sandbox, tmp_path: Path) -> None:
    """They are of branches that nobody has checked out, and some are here and old: of a ref that went."""
    clone = Sandbox.clone(repository, tmp_path / "clone")
    repository.write(MODEL, SECOND)
    repository.commit("second")
    for _ in range(ROUNDS):
        clone.git("fetch", "-q", "origin")
        clone.theta("fetch", "origin", "origin/main")
        clone.git("update-ref", "-d", "refs/remotes/origin/main")
        forget(clone)
        age(clone)
        race(clone, clone, "fetch", "-q", "origin")
        race(clone, clone, "theta", "fetch", "origin", "origin/main")
        assert_whole(clone)


COMPUTING = {
    "merge": ("merge", "-q", "-m", "merged", "side"),
    "theta merge": ("theta", "merge", "-m", "merged", "side"),
    "theta merge of three heads": ("theta", "merge", "-m", "merged", "side", "other"),
    "rebase": ("rebase", "-q", "side"),
    "cherry-pick": ("cherry-pick", "side"),
}


@pytest.mark.parametrize("command", COMPUTING.values(), ids=COMPUTING)
def test_beside_what_computes_results_that_are_known(command: tuple[str, ...], sandbox: Sandbox) -> None:
    contested(sandbox)
    sandbox.git("config", "theta.merge.strategy", "average")
    sandbox.git("switch", "-qc", "other", "base")
    sandbox.write(BRANCHED, changed(BASE, "layer.weight", bytes(4), at=24))
    sandbox.commit("other")
    sandbox.git("switch", "-q", "main")
    for _ in range(ROUNDS):
        sandbox.git(*command)
        merged = sandbox.read(BRANCHED)
        sandbox.git("reset", "-q", "--hard", "ours")
        forget(sandbox)
        age(sandbox)
        race(sandbox, sandbox, *command, options=("--forget-merges",))
        assert_whole(sandbox)
        assert_file(sandbox, BRANCHED, merged)
        sandbox.git("reset", "-q", "--hard", "ours")


def test_beside_a_repack(repository: Sandbox) -> None:
    """What it stores was stored before, and dropped."""
    repository.write(MODEL, SECOND)
    repository.commit("second")
    for _ in range(ROUNDS):
        repository.theta("repack", "--dense")
        repository.git("reset", "-q", "--hard")
        forget(repository)
        age(repository)
        race(repository, repository, "theta", "repack", "--dense")
        repository.git("commit", "-qm", "repacked")
        assert_whole(repository)
        assert_file(repository, MODEL, SECOND)
        repository.git("reset", "-q", "--hard", "HEAD~")


def test_beside_a_migration(sandbox: Sandbox) -> None:
    """What it stores was stored by one that was undone."""
    for content in (FIRST, SECOND):
        sandbox.write(MODEL, content)
        sandbox.commit("a version")
    command = ("theta", "migrate", "import", "--include", "*.safetensors")
    for _ in range(ROUNDS):
        sandbox.git(*command)
        sandbox.theta("migrate", "undo")
        forget(sandbox)
        age(sandbox)
        race(sandbox, sandbox, *command)
        assert_whole(sandbox)
        assert_file(sandbox, MODEL, SECOND)
        sandbox.theta("migrate", "undo")


def test_several_collections_at_once(repository: Sandbox) -> None:
    for _ in range(ROUNDS):
        drop(repository)
        race(repository, repository, "theta", "gc")
        assert_whole(repository)
        assert_file(repository, MODEL, FIRST)
