"""What the `git push` whose hook we are was told, which it does not tell the hook."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from git_theta.vcs.callers.parent_process import parent_command, push_options
from git_theta.vcs.remembered_settings import has_true_setting

_PUSH_VALUES = ("--exec", "--push-option", "--receive-pack", "--recurse-submodules", "--repo")
"""Options of `git push` whose value may be the next word, beside ``-o``."""


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
    if named and has_true_setting(f"remote.{named[0]}.mirror"):
        return "all"
    if any(len(word) > len("--pr") and "--prune".startswith(word) for word in options):
        return "all" if any(word.endswith("refs/*") for word in words) else "branches"
    return ""


def is_dry_push() -> bool:
    """Whether the `git push` whose hook we are, or are started by, was told to push nothing: ``--dry-run``, ``-n``.

    Git runs the hook all the same, and tells it nothing. Where the answer is not known it is no: to upload what is
    never pushed does no harm.
    """
    return asks_dry_run(push_options())


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
