"""Which Git command runs a filter: it decides whether files may be written later, and whose bytes are cleaned."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Literal

from git_theta.errors import GitError
from git_theta.vcs.hooks import is_ours_alone
from git_theta.vcs.remembered_settings import is_true, match_settings

_CHECKOUT_COMMANDS = frozenset(
    ("bisect", "checkout", "cherry-pick", "clone", "merge", "pull", "read-tree", "rebase", "reset", "restore", "revert",
     "sparse-checkout", "stash", "submodule", "switch", "worktree")
)  # fmt: skip
_TREE_COMMANDS = frozenset(("clone", "merge", "pull", "rebase", "reset", "switch"))
_COMPARING_COMMANDS = frozenset(
    ("am", "apply", "blame", "describe", "diff", "diff-files", "diff-index", "difftool", "ls-files", "mv", "rm",
     "status")
)  # fmt: skip
_MERGING_COMMANDS = frozenset(
    ("am", "checkout", "cherry-pick", "merge", "merge-tree", "pull", "rebase", "revert", "stash")
)
_DIFF_COMMANDS = (["diff"], ["format-patch"], ["log"], ["reflog"], ["show"], ["stash", "show"], ["whatchanged"])
_OPTIONS_WITH_VALUE = frozenset(
    ("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--super-prefix", "--config-env")
)
_PUSH_VALUES = ("--exec", "--push-option", "--receive-pack", "--recurse-submodules", "--repo")
"""Options of `git push` whose value may be the next word, beside ``-o``."""
_FARTHEST_PUSH = 10
"""Processes between a hook of ours and its `git push`, at most: shells, and managers of hooks."""
_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "ash"))
# `git rebase` may run commands between its steps, by options that can be abbreviated and bundled. These do not.
_SAFE_REBASE_OPTIONS = frozenset(
    ("--abort", "--autostash", "--force-rebase", "--fork-point", "--no-autostash", "--no-ff", "--no-fork-point",
     "--no-stat", "--no-verify", "--onto", "--quiet", "--quit", "--root", "--stat", "-f", "-n", "-q")
)  # fmt: skip
_HOOKS = ("post-checkout", "post-commit", "post-merge", "post-rewrite", "pre-merge-commit")
_LFS_HOOK = re.compile(rb"#!/bin/sh\n(?:command -v git-lfs [^\n]*\n)?git lfs post-[a-z]+ \"\$@\"\n*")


def may_defer(hooks_dir: Path) -> bool:
    """Whether our parent is a Git command that checks files out and runs nothing that could see them before it ends.

    Where the answer is not known it is no. ``git rebase --exec`` runs commands between its steps, and hooks run before
    the end; those of git-lfs, which looks at its own files alone, do not count, nor do ours.
    """
    return _checks_out() and not any(_runs_hook(hooks_dir / hook) for hook in _HOOKS)


def may_clean_stdin() -> bool:
    """Whether what our parent has cleaned need not be the worktree's file of that path (``hash-object --stdin``)."""
    return parent_command()[:1] == ["hash-object"]


def is_recording() -> bool:
    """Whether our parent puts what it has cleaned into the index, where others (``diff``) only look at it."""
    return parent_command()[:1] in (["add"], ["stage"], ["commit"], ["update-index"])


def only_compares() -> bool:
    """Whether our parent compares what it has cleaned with what it knows, and records nothing of it.

    ``git merge --renormalize`` and their kin clean what commits have, and so no file that a person left unfinished.
    """
    return parent_command()[:1] in ([word] for word in _CHECKOUT_COMMANDS | _COMPARING_COMMANDS)


def takes_file_away() -> bool:
    """Whether our parent has removed a file when it asks for what shall take its place, and gives up if we do."""
    return parent_command()[:1] in (["apply"], ["am"])


def applied_stash() -> str:
    """The stash that our parent applies, as it was named; "" where it applies none."""
    command, *words = parent_command() or [""]
    if command != "stash" or words[:1] not in (["pop"], ["apply"]):
        return ""
    named = next((word for word in words[1:] if not word.startswith("-")), "0")
    return f"stash@{{{named}}}" if named.isdigit() else named


def checks_out_tree() -> bool:
    """Whether our parent checks out all files of a commit, not some that it was told. Where it is not known it is no.

    ``git checkout COMMIT FILE`` may come without ``--``.
    """
    command, *words = parent_command() or [""]
    if command != "checkout":
        return command in _TREE_COMMANDS
    values = {at + 1 for at, word in enumerate(words) if word in ("-b", "-B", "--orphan", "--conflict")}
    plain = [word for at, word in enumerate(words) if at not in values and (word == "--" or not word.startswith("-"))]
    return len(plain) < 2 or plain[1:] == ["--"]


def fills_clone() -> bool:
    """Whether our parent is a `git clone`, which without its first checkout has no index, and is of little use."""
    return parent_command()[:1] == ["clone"]


def is_renormalizing(*, just_smudged: bool) -> bool:
    """Whether our parent was told to have files cleaned anew that Git holds as they are.

    By ``git add --renormalize``, which may be abbreviated; by ``-X renormalize`` or ``merge.renormalize``, which has a
    merge smudge and then clean what commits have. ``just_smudged``: it has; else a merge compares the worktree's file.
    """
    command, *options = parent_command() or [""]
    if command not in _MERGING_COMMANDS:
        return any(re.fullmatch("--ren[a-z]*", option) for option in options)
    asked = any(re.fullmatch(r"(-X|--strategy-option=)?renormalize", option) for option in options)
    return just_smudged and (asked or _is_true("merge.renormalize"))


def only_asks() -> bool:
    """Whether our parent asks what has changed, and lets nobody see or keep what it has cleaned.

    ``git status`` and ``git ls-files``; the commands that ``git describe --dirty`` and shell prompts run: a quiet diff.
    What they have cleaned they hash, and record in the index only that it is what the index has. ``git status -v``
    shows patches, which people apply. Where the answer is not known it is no.
    """
    command, options = parent_command()[:1], parent_command()[1:]
    if "--" in options:
        options = options[: options.index("--")]
    if command in (["diff"], ["diff-files"], ["diff-index"]):
        return "--quiet" in options
    shows_patches = any(re.match(r"-[a-z]*v|--v", option) for option in options)
    return command in (["status"], ["ls-files"]) and not shows_patches


def deletes_other_refs() -> Literal["", "all", "branches"]:
    """Which refs of the remote the `git push` whose hook we are deletes because no ref here is called so.

    The hook is not told of these. ``--mirror`` (or ``remote.NAME.mirror``) deletes any, ``--prune`` those that its
    refspecs cover: branches, unless it says more. Where the answer is not known it is none.
    """
    command, words = parent_command()[:1], parent_command()[1:]
    if command != ["push"]:
        return ""
    options = [word for word in words if word.startswith("--")]
    named = [word for word in words if not word.startswith("-")][:1]
    if any(len(word) > len("--m") and "--mirror".startswith(word) for word in options):
        return "all"
    if named and _is_true(f"remote.{named[0]}.mirror"):
        return "all"
    if any(len(word) > len("--pr") and "--prune".startswith(word) for word in options):
        return "all" if any(word.endswith("refs/*") for word in words) else "branches"
    return ""


def shows_differences() -> bool:
    """Whether our parent shows how versions differ: what it has smudged then is for a driver or a textconv to read.

    ``git difftool`` is not among them: it has ``git diff`` do it, or else lays out whole folders for people.
    """
    command = parent_command()
    return any(command[: len(words)] == words for words in _DIFF_COMMANDS)


def compared_words() -> list[str]:
    """What our parent, ``git diff``, was given before ``--``: options, revisions, paths. Nothing of another command."""
    command, words = parent_command()[:1], parent_command()[1:]
    return [*takewhile(lambda word: word != "--", words)] if command == ["diff"] else []


def is_dry_push() -> bool:
    """Whether the `git push` whose hook we are, or are started by, was told to push nothing: ``--dry-run``, ``-n``.

    Git runs the hook all the same, and tells it nothing. Where the answer is not known it is no: to upload what is
    never pushed does no harm.
    """
    return asks_dry_run(_push_options())


def asks_dry_run(options: Sequence[str]) -> bool:
    """Whether these arguments of `git push` have it push nothing."""
    dry = False
    words = iter(options)
    for word in words:
        if word == "--":
            break
        option, separator, _ = word.partition("=")
        if re.fullmatch("-[a-zA-Z0-9]+", word):
            flags, takes_value, value = word[1:].partition("o")
            dry |= "n" in flags
            if takes_value and not value:
                next(words, None)
        elif option.startswith("--") and not separator and any(one.startswith(option) for one in _PUSH_VALUES):
            next(words, None)
        elif len(option) > len("--d") and "--dry-run".startswith(option):
            dry = True
        elif len(option) > len("--no-d") and "--no-dry-run".startswith(option):
            dry = False
    return dry


@cache
def parent_command() -> list[str]:
    """Our parent's Git command and its arguments; nothing where that is no git."""
    return _skip_global_options(_git_arguments(os.getppid()))


def _push_options() -> list[str]:
    """What the nearest ancestor that is a `git push` was told; whatever manages hooks may stand between."""
    process = os.getppid()
    for _ in range(_FARTHEST_PUSH):
        words = _skip_global_options(_own_git_arguments(_decode_rules(process)))
        if words[:1] == ["push"]:
            return words[1:]
        process = _parent_of(process)
        if process <= 1:
            break
    return []


def _skip_global_options(arguments: list[str]) -> list[str]:
    """A Git command and its arguments, without what stands before the command."""
    while arguments and arguments[0].startswith("-"):
        arguments = arguments[2 if arguments[0] in _OPTIONS_WITH_VALUE else 1 :]
    return arguments


def _is_true(key: str) -> bool:
    with suppress(GitError):
        found = match_settings(f"^{re.escape(key)}$")
        return bool(found) and is_true(found[-1][1])
    return False


def _checks_out() -> bool:
    arguments = parent_command()
    if not arguments or arguments[0] not in _CHECKOUT_COMMANDS:
        return False
    options = {word.partition("=")[0] for word in arguments[1:] if word.startswith("-")}
    return arguments[0] != "rebase" or options <= _SAFE_REBASE_OPTIONS


def _runs_hook(hook: Path) -> bool:
    """Whether Git would run this hook, and it is neither git-lfs's own nor ours, which read no file of the worktree."""
    return os.access(hook, os.X_OK) and not (hook.is_file() and _reads_no_files(hook.read_bytes()))


def _reads_no_files(hook: bytes) -> bool:
    return bool(_LFS_HOOK.fullmatch(hook)) or is_ours_alone(hook)


def _git_arguments(process: int) -> list[str]:
    """What ``git`` was given by the nearest ancestor that is git, past the shell that starts filters; else nothing."""
    for _ in range(3):
        words = _decode_rules(process)
        if not words:
            return []
        if arguments := _own_git_arguments(words):
            return arguments
        if Path(words[0]).name.lstrip("-") not in _SHELLS:
            return []
        process = _parent_of(process)
    return []


def _own_git_arguments(words: list[str]) -> list[str]:
    """The command and its arguments where a command line is that of ``git``; else nothing."""
    program = Path(words[0]).name if words else ""
    if program == "git":
        return words[1:]
    return [program.removeprefix("git-"), *words[1:]] if program.startswith("git-") else []


def _decode_rules(process: int) -> list[str]:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return _ps_column(process, "command").split()


def _parent_of(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return int(_ps_column(process, "ppid") or 0)


def _ps_column(process: int, column: str) -> str:
    """One column of ps: for systems without /proc."""
    done = subprocess.run(["ps", "-o", f"{column}=", "-p", str(process)], capture_output=True, text=True)
    return done.stdout.strip()
