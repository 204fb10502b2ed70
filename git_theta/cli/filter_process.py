"""What ``filter.theta.process`` runs: Git's long-running filter, wired to clean and smudge.

Quick to start (L12): the standard library alone until there is something to store.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from git_theta.cli import boundary
from git_theta.cli.desk import desk_for, refresh
from git_theta.errors import ThetaError
from git_theta.operations.clean import clean
from git_theta.operations.content import Stream
from git_theta.operations.deferred import LARGE, Deferred
from git_theta.operations.desk import Desk
from git_theta.operations.smudge import smudge
from git_theta.vcs import hooks, index
from git_theta.vcs.filter_process import Handler, ReadInto, serve
from git_theta.vcs.parent import may_defer
from git_theta.vcs.pktline import Buffer, Reader, Writer
from git_theta.vcs.repository import Repository, discover

SKIP = "GIT_THETA_SKIP_SMUDGE"
"""Set to 1, manifests are checked out as they are; `git theta checkout` gets the files later."""


def main() -> int:
    """Serve Git on standard input and output. ``--written FILE``: only answer clean, from that file."""
    handlers = _answering(Path(sys.argv[2])) if sys.argv[1:2] == ["--written"] else None
    if handlers:
        _serve(handlers)
    else:
        _filter(discover())
    return 0


def _serve(handlers: dict[str, Handler]) -> None:
    serve(Reader(0), Writer(1), handlers, boundary.report)


def _filter(repository: Repository) -> None:
    with desk_for(repository) as desk:
        deferred = Deferred(repository.worktree or Path(), desk, boundary.report)
        deferring = repository.worktree is not None and may_defer()
        _serve(
            {
                "clean": partial(_clean, repository.worktree, desk),
                "smudge": partial(_skip if os.environ.get(SKIP) == "1" else _smudge, desk, deferred, deferring),
            }
        )
        if repository.worktree is not None:
            top = repository.worktree
            deferred.write(partial(refresh, top), partial(index.distrust, worktree=top))
    _place_hook(repository)


def _place_hook(repository: Repository) -> None:
    """A clone has no hooks, and without ours a push would leave the objects behind: put it where only Git looks.

    A folder outside of the repository's own (core.hooksPath) is somebody's to keep: `git theta doctor` tells of it.
    """
    command = hooks.command(sys.executable)
    wanting = (hooks.HookState.ABSENT, hooks.HookState.OUTDATED)
    with contextlib.suppress(OSError, ThetaError):
        if (
            repository.common_dir in repository.hooks_dir.parents
            and hooks.state(repository.hooks_dir, command) in wanting
        ):
            hooks.install(repository.hooks_dir, command)


def _clean(worktree: Path | None, desk: Desk, readinto: ReadInto, path: str) -> Iterator[Buffer]:
    yield clean(Stream(readinto), path, worktree, desk)


def _smudge(desk: Desk, deferred: Deferred, deferring: bool, readinto: ReadInto, path: str) -> Iterator[Buffer]:
    answer = smudge(Stream(readinto), path, desk)
    deferred.forget(path)
    if deferring and answer.manifest and answer.manifest.size >= LARGE:
        deferred.add(path, answer.manifest, answer.text)
        yield answer.text
    else:
        yield from answer.pieces


def _skip(_desk: Desk, _deferred: Deferred, _deferring: bool, readinto: ReadInto, _path: str) -> Iterator[Buffer]:
    yield b"".join(Stream(readinto).rest())


def _answering(answers: Path) -> dict[str, Handler]:
    """Answer clean from a file of manifests that we have just written the worktree from."""
    texts: dict[str, str] = json.loads(answers.read_text())

    def answer(_: ReadInto, path: str) -> Iterator[Buffer]:
        if path not in texts:
            raise ThetaError("not a file that git-theta has just written", path=path)
        yield texts[path].encode()

    return {"clean": answer}


if __name__ == "__main__":
    sys.exit(boundary.run(main))
