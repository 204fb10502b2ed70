"""What a Git command has files cleaned for: to record them, to compare them, or only to ask."""

from __future__ import annotations

import re

from git_theta.vcs.callers.parent_checkout import CHECKOUT_COMMANDS
from git_theta.vcs.callers.parent_process import parent_command
from git_theta.vcs.remembered_settings import has_true_setting

_COMPARING_COMMANDS = frozenset(
    ("am", "apply", "blame", "describe", "diff", "diff-files", "diff-index", "difftool", "ls-files", "mv", "rm",
     "status")
)  # fmt: skip
_MERGING_COMMANDS = frozenset(
    ("am", "checkout", "cherry-pick", "merge", "merge-tree", "pull", "rebase", "revert", "stash")
)


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
    return parent_command()[:1] in ([word] for word in CHECKOUT_COMMANDS | _COMPARING_COMMANDS)


def is_renormalizing(*, just_smudged: bool) -> bool:
    """Whether our parent was told to have files cleaned anew that Git holds as they are.

    By ``git add --renormalize``, which may be abbreviated; by ``-X renormalize`` or ``merge.renormalize``, which has a
    merge smudge and then clean what commits have. ``just_smudged``: it has; else a merge compares the worktree's file.
    """
    command, *options = parent_command() or [""]
    if command not in _MERGING_COMMANDS:
        return any(re.fullmatch("--ren[a-z]*", option) for option in options)
    asked = any(re.fullmatch(r"(-X|--strategy-option=)?renormalize", option) for option in options)
    return just_smudged and (asked or has_true_setting("merge.renormalize"))


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
