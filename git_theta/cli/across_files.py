"""What is said of checkpoints that are contested across files which Git merged one by one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from git_theta.cli import boundary
from git_theta.repository.merging.contested_across import ContestedLines
from git_theta.words import list_some

_HINT = "Settle it: git theta resolve -s STRATEGY, or --ours, --theirs, -i. Or give the merge up: git merge --abort"


def warn_across(found: ContestedLines, several: Sequence[str] = ()) -> None:
    """Name the checkpoints, and what is contested of each. ``several``: the heads, where Git merged them at once."""
    hint = f"Merge them by parameters: git merge --abort; git theta merge {shlex.join(several)}" if several else _HINT
    for path, lines in found.items():
        boundary.warn(f"{path}: Git merged its files one by one, but the checkpoint is contested", hint=hint)
        for line in list_some(lines):
            boundary.say(f"  {line}")
