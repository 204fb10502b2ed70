"""Our lines in Git's hooks: put them into whatever is there, know them again, take them out.

The hook of clones is pre-push, which uploads; that of repositories that are pushed to, pre-receive, which refuses; and
between a `git merge` and its commit stands pre-merge-commit, which looks at what Git made, and asks a project's gates.
Whatever else merges (rebases, picks, squashes ...) asks prepare-commit-msg alone, ``--no-verify`` or not.

Since Git has one hook of a name and other tools want it too (git-lfs, husky, pre-commit), ours is a marked block that
goes right behind the first line of a shell script. The hook's standard input, the list of refs, is kept in a file and
given back, so that the rest of the script reads it as if we were not there.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from enum import Enum
from pathlib import Path

from git_theta.vcs import atomic
from git_theta.vcs.config import module_command

HOOK_NAME = "pre-push"
SERVER_HOOK_NAME = "pre-receive"
MERGE_HOOK_NAME = "pre-merge-commit"
COMMIT_HOOK_NAME = "prepare-commit-msg"
CLONE_HOOK_NAMES = (HOOK_NAME, MERGE_HOOK_NAME, COMMIT_HOOK_NAME)
"""The hooks that every clone has; pre-receive is for repositories that are pushed to."""
WHOLE_NOTE = "theta/whole-merge"
"""Below a worktree's Git folder: tree, HEAD and heads of the merge that was last found to mix up no checkpoint."""

_BEGIN = b"# >>> git-theta >>>"
_END = b"# <<< git-theta <<<"
_BLOCK = re.compile(rb"^" + _BEGIN + rb"\n.*?^" + _END + rb"\n", re.MULTILINE | re.DOTALL)
# Lines that somebody wrote where we could not, in whatever language; comments are none.
_FOREIGN_CALL = re.compile(
    rb"^[^#\n]*\bgit[-_ ]theta[\"', ]+(pre-push|pre-receive|pre-merge-commit|prepare-commit-msg)\b", re.MULTILINE
)
_SHEBANG = b"#!/bin/sh\n"
_SHELL = re.compile(
    rb"#![ \t]*(?:/\S*/)?(?:env[ \t]+(?:-S[ \t]*)?(?:/\S*/)?)?(?:sh|bash|dash|zsh|ksh)(?:[ \t][^\r\n]*)?\n"
)

# mktemp, not a variable and a here-document: the bytes come back exactly, whether none or without a last newline. Jobs
# of clusters outlive their $TMPDIR.
# Without the check, the shell's own "not found" would not say what to do.
_TEMPLATE = """\
{begin}
# {purpose}
# `git theta install` rewrites, and `git theta uninstall` removes, the lines between these marks.
{body}{end}
"""
_PRESENCE = """\
[ -x {python} ] || {{
  printf 'theta: error: git-theta is not installed any more at %s\\n' {python} >&2
  printf 'hint: Reinstall it and run `git theta install`, or run `git theta uninstall` to do without;\\n' >&2
  printf 'hint: or delete what stands between the git-theta marks in %s\\n' "$0" >&2
  exit 1
}}
"""
_REFS_CALL = (
    _PRESENCE
    + """\
theta_refs=$(mktemp 2>/dev/null || mktemp "$(git rev-parse --git-dir)/theta-refs.XXXXXX") || exit
{{ cat >"$theta_refs" && {command} {name} "$@" <"$theta_refs"; }} || {{
  theta_status=$?
  rm -f "$theta_refs"
  exit "$theta_status"
}}
exec <"$theta_refs"
rm -f "$theta_refs"
unset theta_refs
"""
)
# A commit that merges nothing, or changes no checkpoint, need not wait for an interpreter to start, nor be kept from
# whoever has none any more; nor a merge that was looked at a moment ago. A rebase asks for every commit.
_COMMIT_CALL = f"""\
theta_dir=${{{{1%/*}}}}
if {{{{ [ -e "$theta_dir/MERGE_HEAD" ] || [ -e "$theta_dir/CHERRY_PICK_HEAD" ] || [ -e "$theta_dir/REVERT_HEAD" ] ||
  [ -e "$theta_dir/SQUASH_MSG" ] || [ -e "$theta_dir/rebase-merge" ] || grep -q '^This reverts commit' "$1"; }}}} &&
  ! {{{{ [ -s "$theta_dir/{WHOLE_NOTE}" ] && [ "$(cat "$theta_dir/{WHOLE_NOTE}" 2>/dev/null)" = \\
    "$(git write-tree 2>/dev/null && git rev-parse HEAD && cat "$theta_dir/MERGE_HEAD" 2>/dev/null)" ]; }}}} &&
  git diff-index --cached --name-only HEAD | git check-attr --stdin filter |
  grep -q -e ': filter: theta$' -e '\\.index\\.json"*: filter: '; then
{_PRESENCE}\
{{command}} {{name}} "$@" || exit
fi
unset theta_dir
"""


_GIVEN_BACK = "The list of refs on standard input is given back to the rest of this hook."
_PURPOSES = {
    HOOK_NAME: f"Uploads what the pushed commits need. {_GIVEN_BACK}",
    SERVER_HOOK_NAME: f"Refuses commits whose objects are not here. {_GIVEN_BACK}",
    MERGE_HOOK_NAME: "Merges whose checkpoints are contested across files, or fail a gate, wait for their commit.",
    COMMIT_HOOK_NAME: "Commits nothing of which files of a checkpoint were merged one by one, and got mixed up.",
}


class HookState(Enum):
    """What stands in the hook's place. The value ends the sentence "the pre-push hook ..."."""

    ABSENT = "is missing"
    OURS = "is in place"
    OUTDATED = "calls another git-theta"
    SHELL = "is a shell script without our lines"
    OTHER = "is no shell script that we can add lines to"
    DISABLED = "is switched off: it is not executable, or core.hooksPath is no folder"
    THEIRS = "runs git-theta in lines that somebody else wrote"
    SYMLINK = "is a symbolic link, which we do not write through"

    @property
    def is_editable(self) -> bool:
        """Whether :func:`install_hook` makes this :attr:`OURS`."""
        return self in (HookState.ABSENT, HookState.OURS, HookState.OUTDATED, HookState.SHELL)


def hook_command(python: str) -> str:
    """The shell command in our block, for the interpreter at the absolute path ``python``."""
    return module_command(python, "git_theta")


def hook_block(command: str, name: str = HOOK_NAME) -> str:
    """The lines that a hook needs, marks included; also what a person adds by hand where we cannot."""
    python = shlex.quote(shlex.split(command)[0])
    call = _COMMIT_CALL if name == COMMIT_HOOK_NAME else _REFS_CALL
    body = call.format(command=command, name=name, python=python)
    return _TEMPLATE.format(begin=_BEGIN.decode(), end=_END.decode(), purpose=_PURPOSES[name], body=body)


def hook_state(hooks_dir: Path, command: str, name: str = HOOK_NAME) -> HookState:
    """What stands in the hook's place, for the git-theta that runs as ``command``."""
    file = hooks_dir / name
    if hooks_dir.exists() and not hooks_dir.is_dir():
        return HookState.DISABLED
    if file.is_symlink():
        runs = file.is_file() and os.access(file, os.X_OK) and _FOREIGN_CALL.search(file.read_bytes())
        return HookState.THEIRS if runs else HookState.SYMLINK
    if not file.exists():
        return HookState.ABSENT
    if not file.is_file():
        return HookState.OTHER
    return _script_state(file.read_bytes(), hook_block(command, name), executable=os.access(file, os.X_OK))


def _script_state(content: bytes, block: str, *, executable: bool) -> HookState:
    ours = _BLOCK.search(content)
    if not executable:
        # Making it executable would start a script that somebody switched off; unless all of it is ours.
        return HookState.OUTDATED if _BLOCK.sub(b"", content) == _SHEBANG else HookState.DISABLED
    if ours:
        return HookState.OURS if ours[0] == os.fsencode(block) else HookState.OUTDATED
    if _FOREIGN_CALL.search(content) and _BEGIN not in content:
        return HookState.THEIRS
    # One mark without the other: somebody edited our lines, and where they end is anybody's guess.
    return HookState.SHELL if _SHELL.match(content) and _BEGIN not in content else HookState.OTHER


def calls_git_theta(content: bytes, name: str = HOOK_NAME) -> bool:
    """Whether a script, or the file that tells a manager of hooks what to run, has our lines or a call for a hook."""
    return any(call[1].decode() == name for call in _FOREIGN_CALL.finditer(content))


def runs_git_theta(hooks_dir: Path, name: str) -> bool:
    """Whether the hook of this name that is in force runs us, in lines of ours or of others."""
    husky = [hooks_dir.parent] if hooks_dir.parent.name == ".husky" else []  # what it has the hook run is there
    files = [folder / name for folder in (hooks_dir, *husky)]
    try:
        runs = [calls_git_theta(file.read_bytes(), name) for file in files if file.exists()]
    except OSError:
        return False
    return any(runs) and os.access(files[0], os.X_OK)


def is_ours_alone(content: bytes) -> bool:
    """Whether a hook has our lines, and does nothing else."""
    return _BLOCK.sub(b"", content) == _SHEBANG != content


def install_hook(hooks_dir: Path, command: str, name: str = HOOK_NAME) -> HookState:
    """Put our block into the hook, or write one; returns the state it found.

    Where that is not ``is_editable`` nothing was touched: show the person :func:`hook_block`. Everything else in the
    hook, and its mode, stays.

    Args:
        hooks_dir: where Git looks for hooks.
        command: see :func:`hook_command`.
        name: which hook.
    """
    found = hook_state(hooks_dir, command, name)
    file = hooks_dir / name
    lines = os.fsencode(hook_block(command, name))
    if found is HookState.ABSENT:
        atomic.replace_file(file, _SHEBANG + lines, mode=0o777)
        _share_hook(file)
    elif found is HookState.SHELL:
        first, rest = file.read_bytes().split(b"\n", 1)
        atomic.replace_file(file, first + b"\n" + lines + rest)
    elif found is HookState.OUTDATED:
        atomic.replace_file(file, _BLOCK.sub(lambda _: lines, file.read_bytes(), count=1))
        if not os.access(file, os.X_OK):
            file.chmod(file.stat().st_mode | 0o111)
    return found


def _share_hook(file: Path) -> None:
    """Let those run a hook who may write beside it: core.sharedRepository goes beyond a person's umask."""
    folder = file.parent.stat().st_mode
    if folder & stat.S_IWGRP:
        file.chmod(file.stat().st_mode | folder & 0o055)


def uninstall_hook(hooks_dir: Path, name: str = HOOK_NAME) -> bool:
    """Take our block out of the hook, and the hook away if nothing else is in it; returns whether it was there."""
    file = hooks_dir / name
    if file.is_symlink() or not file.is_file():
        return False
    content = file.read_bytes()
    rest = _BLOCK.sub(b"", content)
    if rest == content:
        return False
    if rest == _SHEBANG:
        file.unlink()
    else:
        atomic.replace_file(file, rest)
    return True
