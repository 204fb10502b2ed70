"""The hooks of a merge that `git commit` concludes: those that `git merge` asks.

`git commit` asks pre-commit and post-commit, `git merge` pre-merge-commit and post-merge, both prepare-commit-msg and
commit-msg. Git can be told where its hooks are, and not which of them to leave out.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from git_theta.vcs.hooks import is_ours_alone

_COMMIT_HOOKS = ("pre-commit", "post-commit")
_SHARED_HOOKS = ("prepare-commit-msg", "commit-msg", "pre-auto-gc", "reference-transaction")
_CONFIG = "GIT_CONFIG_PARAMETERS"


def run_hook(hook: Path, arguments: Sequence[str], top: Path | None, env: Mapping[str, str]) -> int:
    """Run a hook as Git does, where it would; its exit code, or 0. What a hook prints goes to standard error.

    One that has our lines alone is not run: whoever calls has looked already.
    """
    if not _would_run(hook) or is_ours_alone(hook.read_bytes()):
        return 0
    return subprocess.run([hook, *arguments], cwd=top, env=env, stdin=subprocess.DEVNULL, stdout=2).returncode


@contextmanager
def hide_commit_hooks(hooks_dir: Path) -> Iterator[list[str]]:
    """Git's options by which `git commit` finds all hooks but those that are its own.

    The others are called from their own place, in the environment that they would have had.
    """
    if not any(_would_run(hooks_dir / name) for name in _COMMIT_HOOKS):
        yield []
        return
    given = os.environ.get(_CONFIG)
    restore = f"export {_CONFIG}={shlex.quote(given)}" if given else f"unset {_CONFIG}"
    with tempfile.TemporaryDirectory() as folder:
        for name in filter(lambda name: _would_run(hooks_dir / name), _SHARED_HOOKS):
            file = Path(folder) / name
            file.write_text(f'#!/bin/sh\n{restore}\nexec {shlex.quote(os.fspath(hooks_dir / name))} "$@"\n')
            file.chmod(0o700)
        if (hooks_dir / "pre-push").exists():  # our filter looks whether one is there
            (Path(folder) / "pre-push").symlink_to(hooks_dir / "pre-push")
        yield ["-c", f"core.hooksPath={folder}"]


def _would_run(hook: Path) -> bool:
    return hook.is_file() and os.access(hook, os.X_OK)
