"""The rows of sharing: a push and a clone through one Git LFS server, ours and git-lfs's, with a checkpoint each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.models import TUNED, Model, ModelVersion, mixture_shapes, write_versions
from benchmarks.results import LFS, Budget, WithinRatio, WithinSeconds
from benchmarks.stages import FILE_NAME, Stage
from benchmarks.steps import Story, TimedStep
from benchmarks.timing import Command
from tests.servers.git_http import GitHost

SMALL = 2_000
"""Parameters of a checkpoint that would be as many requests, if each were one."""


class Line(NamedTuple):
    """What lies between a person and the host.

    Attributes:
        latency: seconds that a request takes longer.
        rate: bytes of objects a second; 0 for as many as this machine moves.
    """

    latency: float = 0
    rate: float = 0


LOOPBACK, OCEAN, OFFICE = Line(), Line(latency=0.05), Line(rate=125e6)
"""This machine; across an ocean; a gigabit a second."""
_SECONDS = 10
"""What 2,000 requests would exceed, eight at a time as git-lfs sends them."""
_BOUND = ("cp", "openssl")
_SENT_SHARE = 1.1
"""Bytes sent for one changed tensor, as a share of its size; pointers and commits are Git's, and not counted here."""


def share_story(title: str, model: Model, host: GitHost, line: Line) -> Story:
    """A checkpoint goes to a host, one tensor of it changes, and it comes back."""
    limit = (WithinRatio(1.0, (LFS,)),)
    return Story(
        title,
        model,
        (
            TimedStep("push, new", _commit_version("base"), _push_command, _BOUND, limit),
            TimedStep(
                "push, one tensor changed",
                _commit_version("one", host),
                _push_command,
                ("openssl",),
                limit,
                prove=lambda stage: _require_few_bytes(stage, host),
            ),
            TimedStep("clone", _remove_clone, _clone_command, _BOUND, limit, (f"clone/{FILE_NAME}", "one")),
        ),
        opening=lambda stage: _open_remote(stage, host, line),
        part="share",
    )


def whole_story(title: str, model: Model, host: GitHost, line: Line, budget: Budget) -> Story:
    """A checkpoint goes to a host, and comes back."""
    return Story(
        title,
        model,
        (
            TimedStep("push, new", _commit_version("base"), _push_command, _BOUND, (budget,)),
            TimedStep("clone", _remove_clone, _clone_command, _BOUND, (budget,), (f"clone/{FILE_NAME}", "base")),
        ),
        opening=lambda stage: _open_remote(stage, host, line),
        part="share",
    )


def build_share_stories(folder: Path, model: Callable[[], Model], size: int) -> Iterator[Story]:
    """All of them, against one host; checkpoints in ``folder``, made when it is their turn.

    Args:
        folder: for checkpoints. What the host has is beside it.
        model: builds the one that is shared in several versions.
        size: in bytes, of that one; the single parameter is two and a half times as large.
    """
    shared = folder.with_name("host")
    shared.mkdir()
    with GitHost(shared) as host:
        for title, line in (("shared", LOOPBACK), ("shared, 1 Gb/s", OFFICE)):
            yield share_story(title, model(), host, line)
        for title, line in (("one parameter", LOOPBACK), ("one parameter, 1 Gb/s", OFFICE)):
            alone = write_versions(folder, "F32", {TUNED: (size * 5 // 8,)}, ("base",))
            yield whole_story(title, alone, host, line, WithinRatio(1.0, (LFS,)))
        small = write_versions(folder, "F32", mixture_shapes(SMALL), ("base",))
        yield whole_story("50 ms a request", small, host, OCEAN, WithinSeconds(_SECONDS))
    shutil.rmtree(shared)


def _open_remote(stage: Stage, host: GitHost, line: Line) -> None:
    """An empty repository on the host as ``origin``; what the contender had there in the last round goes."""
    name = _repository_of(stage)
    shutil.rmtree(host.folder / name, ignore_errors=True)
    stage.repository.git("remote", "add", "origin", host.create(name))
    host.lfs(name).latency, host.lfs(name).rate = line
    if stage.folder.name == LFS:
        stage.repository.git("lfs", "install", "--local")  # its hook
        stage.repository.git("config", "lfs.locksverify", "false")  # one request less, as for ours


def _repository_of(stage: Stage) -> str:
    return f"{stage.folder.name}.git"


def _commit_version(version: ModelVersion, host: GitHost | None = None) -> Callable[[Stage], None]:
    """Commit a version; from here on the host counts anew."""

    def prepare(stage: Stage) -> None:
        stage.place_version(version)
        stage.repository.git("add", "--all")
        stage.commit()
        if host:
            host.requests.clear()

    return prepare


def _remove_clone(stage: Stage) -> None:
    shutil.rmtree(stage.folder / "clone", ignore_errors=True)


def _push_command(_: Stage) -> Command:
    return ["git", "push", "--quiet", "origin", "main"]


def _clone_command(stage: Stage) -> Command:
    url = stage.repository.git("remote", "get-url", "origin").stdout.strip()
    return ["git", "clone", "--quiet", url, Path("..") / "clone"]


def _require_few_bytes(stage: Stage, host: GitHost) -> None:
    """Raise RuntimeError where more went up than the tensor that changed."""
    sent = host.moved_bytes("PUT", f"/{_repository_of(stage)}/")
    if not 0 < sent <= _SENT_SHARE * stage.model.tuned_bytes:
        raise RuntimeError(f"{sent} bytes were sent for a tensor of {stage.model.tuned_bytes}")
