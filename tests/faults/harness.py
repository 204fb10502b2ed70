"""Checkpoints, repositories and assertions that the stories of this folder share."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from git_theta.manifest.text import is_manifest
from git_theta.operations.restoring.deferred import DEFERRED_SIZE
from git_theta.operations.workers import WHOLE_LIMIT
from tests.command_server import name_launchers_in, run_command
from tests.faults import faulty_process
from tests.sandbox import Sandbox, changed, model
from tests.templates import copy_repository

MODEL = "model.safetensors"
CONVERSATION = 60
"""Seconds after which a git command is taken to hang."""


class Stage(NamedTuple):
    """A point in our process: before or after the nth call of ``module:attribute``."""

    target: str
    when: str
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.when}-{self.target.rpartition(':')[2]}-{self.nth}"


@cache
def small(version: int = 0) -> bytes:
    """A checkpoint that is smudged inline; of its objects one is a tensor's and one is a bundle."""
    return _versioned(_model(1, (3000, 128), (64, 64)), version)


@cache
def large(version: int = 0) -> bytes:
    """A checkpoint that is written when Git has hung up."""
    return _versioned(_model(2, (DEFERRED_SIZE // 512, 128), (8, 40)), version)


@cache
def streamed() -> bytes:
    """A checkpoint with a tensor that several threads share the work for, a smaller one, and one for a bundle."""
    return _model(3, (WHOLE_LIMIT // 512 + 1, 128), (1500, 256))


def _model(seed: int, embed: tuple[int, int], layer: tuple[int, int]) -> bytes:
    shapes: dict[str, int | tuple[int, ...]] = {"embed.weight": embed, "layer.weight": layer, "layer.bias": 32}
    return model(seed, **shapes)


def _versioned(checkpoint: bytes, version: int) -> bytes:
    for _ in range(version):
        checkpoint = changed(changed(checkpoint, "embed.weight", at=4 * 77), "layer.bias")
    return checkpoint


def copied(template: Path, root: Path) -> Sandbox:
    """A repository like another one."""
    copy_repository(template, root)
    name_launchers_in(root)
    return Sandbox(root)


def attempt(sandbox: Sandbox, *args: str | Path, process: str = "") -> subprocess.CompletedProcess[str]:
    """``git ARGS``, with ``process`` as the filter where it is given; must end by itself, and fail decently or not."""
    if args[0] == "theta" and not process:
        done = run_command([os.fspath(arg) for arg in args[1:]], sandbox.root, os.environ, timeout=CONVERSATION)
    else:
        setting = ["-c", f"filter.theta.process={process}"] if process else []
        done = subprocess.run(
            ["git", *setting, *args],
            cwd=sandbox.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CONVERSATION,
        )
    printed, said = (output.decode(errors="backslashreplace") for output in (done.stdout, done.stderr))
    assert_decent(said)
    return subprocess.CompletedProcess(done.args, done.returncode, printed, said)


def afflicted(sandbox: Sandbox, stage: Stage, fault: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """``git ARGS`` with a fault at a stage of our process, which must be reached; see ``faulty_process.py``."""
    marker = sandbox.root.parent / "marker"
    process = faulty_process.command("fault", stage.target, stage.when, str(stage.nth), fault, marker)
    done = attempt(sandbox, *args, process=process)
    assert marker.exists(), f"{stage} was never reached:\n{done.stderr}"
    marker.unlink()
    return done


def kill_at_random(command: Sequence[str], folder: Path, kills: int, *, seconds: float) -> Iterator[None]:
    """Give a command again and again, until so many times it was killed before it ended; yields after each time.

    ``seconds``: how long it may take, which is known better once it has ended.
    """
    landed = 0
    for _ in range(20 * kills):
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            process.wait(random.uniform(0.2, 1) * seconds)
            seconds = time.monotonic() - started
        except subprocess.TimeoutExpired:
            landed += 1
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        yield
        if landed == kills:
            return
    raise AssertionError(f"{landed} kills landed in {seconds:.3f} s")


def assert_decent(said: str) -> None:
    """What a person was told is no traceback and no excuse."""
    assert "Traceback" not in said, said
    assert "unexpected " not in said, said


def assert_holds(sandbox: Sandbox, content: bytes, path: str = MODEL) -> None:
    """The worktree has exactly these bytes, Git holds a manifest for them, and has nothing to say."""
    assert sandbox.read(path) == content
    assert sandbox.git("status", "--porcelain").stdout == ""
    assert is_manifest(sandbox.git("show", f":{path}").stdout.encode(errors="surrogateescape"))


def assert_comes_back(sandbox: Sandbox, content: bytes, path: str = MODEL) -> None:
    """What Git holds is restored bit for bit where there was nothing."""
    (sandbox.root / path).unlink()
    sandbox.git("checkout", "--", path)
    assert sandbox.read(path) == content


def objects(sandbox: Sandbox) -> list[Path]:
    """The objects in the repository's store."""
    return sorted(file for file in (sandbox.root / ".git/theta/objects").glob("??/??/*"))


def leftovers(sandbox: Sandbox) -> list[Path]:
    """Temporary files, out of the person's sight or not."""
    return [*(sandbox.root / ".git/theta/tmp").glob("*"), *sandbox.root.glob(".theta-*")]
