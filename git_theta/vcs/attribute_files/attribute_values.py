"""What Git says of an attribute of files: by all its attributes files, macros and configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from git_theta.vcs.git import git, split_nul


def read_attribute(
    name: str, paths: Sequence[str], cwd: Path | None = None, config: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """What `git check-attr` says of each path, relative to ``cwd``: a value, "set", "unset" or "unspecified"."""
    if not paths:
        return {}
    stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
    answer = split_nul(git("check-attr", "-z", "--stdin", name, cwd=cwd, stdin=stdin, config=config))
    return dict(zip(answer[::3], answer[2::3], strict=True))
