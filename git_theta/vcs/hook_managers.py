"""Programs that keep a repository's hooks: which one does, whether it runs ours, and how it is told to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from git_theta.vcs.atomic import read_or_nothing
from git_theta.vcs.hooks import HOOK_NAME, HookState, calls_git_theta, hook_state

_CALL = 'git theta pre-push "$@"'
_HUSKY = f"""\
husky keeps the hooks. Add this line to .husky/pre-push, and commit it:
    {_CALL}"""
_LEFTHOOK = """\
lefthook keeps the hooks. Add this to lefthook.yml, commit it, and run `lefthook install`:
    pre-push:
      commands:
        git-theta:
          run: git theta pre-push {1} {2}
          use_stdin: true"""
_PRE_COMMIT = "pre-commit keeps the hooks. Run `git theta install`, and again after each `pre-commit install`."
_INSTALL = "Run `git theta install`, which adds lines to it."
_BY_HAND = f"Have it run this, with its own arguments and standard input: {_CALL}"
_SWITCHED_ON = "Switch it on: chmod +x, or git config --unset core.hooksPath. Then: git theta install"
_EACH_TIME = "Or, beside each push: git theta push"
_LEFTHOOK_FILES = [
    f"{folder}{name}.{kind}"
    for folder in ("", ".config/")
    for name in ("lefthook", ".lefthook", "lefthook-local", ".lefthook-local")
    for kind in ("yml", "yaml", "toml", "json", "jsonc")
]
_RUNNING = (HookState.OURS, HookState.OUTDATED, HookState.THEIRS)


class PushHook(NamedTuple):
    """The pre-push hook that is in force. ``hint``: how pushes come to carry objects, where they do not."""

    state: HookState
    hint: str = ""

    @property
    def carries_objects(self) -> bool:
        """Whether a push uploads what it needs."""
        return self.state in _RUNNING


def find_push_hook(hooks_dir: Path, command: str, top: Path | None) -> PushHook:
    """The hook that a push runs, or the manager behind it; ``command`` and ``hooks_dir`` as ``hook_state`` has them."""
    state = hook_state(hooks_dir, command)
    if state in _RUNNING:
        return PushHook(state)
    content = read_or_nothing(hooks_dir / HOOK_NAME)
    manager, scripts = _find_manager(hooks_dir, content, top)
    if state is not HookState.DISABLED and any(calls_git_theta(read_or_nothing(script)) for script in scripts):
        return PushHook(HookState.THEIRS)
    hint = manager or {HookState.DISABLED: _SWITCHED_ON}.get(state, _INSTALL if state.is_editable else _BY_HAND)
    return PushHook(state, f"{hint}\n{_EACH_TIME}")


def _find_manager(hooks_dir: Path, content: bytes, top: Path | None) -> tuple[str, Iterator[Path]]:
    """How the manager of these hooks is told to run ours, "" for none; and the files in which it may be told so."""
    if b"pre-commit.com" in content:
        legacy = hooks_dir / f"{HOOK_NAME}.legacy"  # what was there before: it runs that first
        return _PRE_COMMIT, iter([legacy] if os.access(legacy, os.X_OK) else [])
    if b"lefthook" in content:
        return _LEFTHOOK, iter([top / name for name in _LEFTHOOK_FILES] if top else [])
    for folder in (hooks_dir, hooks_dir.parent):
        if folder.name == ".husky":
            return _HUSKY, iter([folder / HOOK_NAME])
    return "", iter(())
