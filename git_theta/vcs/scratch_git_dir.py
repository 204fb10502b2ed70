"""A Git directory of a moment: programs that write to "the repository's" configuration and objects write there.

It has a repository's configuration, by ``include``, and nothing else of it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.vcs.credentials import prompting_environment
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import scrubbed_environment

_COMMAND_LINE = ("GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT")
"""What ``git -c`` configured for us holds for what we start there, too."""


class Line(NamedTuple):
    """One line of configuration: ``section.subsection.key = value``, the subsection "" where there is none."""

    section: str
    subsection: str
    key: str
    value: str


def make_git_dir(folder: Path, repository: Repository, lines: Sequence[Line]) -> None:
    """Make ``folder`` a bare Git directory that is configured as a repository is, and then by these lines.

    Only its owner may read it: URLs hold passwords.
    """
    folder.mkdir(mode=0o700, parents=True)
    (folder / "objects").mkdir()
    (folder / "refs").mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    included = (repository.common_dir / "config", repository.git_dir / "config.worktree")
    own = [
        *(Line("include", "", "path", os.fspath(path)) for path in included if path.is_file()),
        # Of its own, whatever the repository's are: what is included after the first line has no say in these.
        Line("core", "", "repositoryFormatVersion", "1"),
        Line("core", "", "bare", "true"),
        Line("extensions", "", "objectFormat", "sha1"),
    ]
    (folder / "config").write_bytes(b"".join(map(_encode_line, (*own, *lines))))


def scratch_environment(folder: Path, *, ask: bool) -> dict[str, str]:
    """The environment for programs that are to take ``folder`` for the repository.

    Args:
        folder: of :func:`make_git_dir`.
        ask: whether they may ask the person for passwords.
    """
    told = {name: os.environ[name] for name in _COMMAND_LINE if name in os.environ}
    asking = prompting_environment(ask=ask)
    scrubbed = {name: value for name, value in asking.items() if name in scrubbed_environment()}
    return {**scrubbed, **told, "GIT_DIR": os.fspath(folder), "LC_ALL": "C"}


def _encode_line(line: Line) -> bytes:
    head = f"{line.section} {_quote(line.subsection)}" if line.subsection else line.section
    return os.fsencode(f"[{head}]\n\t{line.key} = {_quote(line.value)}\n")


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
