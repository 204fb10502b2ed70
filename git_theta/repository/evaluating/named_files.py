"""The files that the command of an evaluation names: while a merge waits, they may be what other heads made of them.

Who allows a command has looked at the files that it names (L10). A merge brings others, at
which nobody here has looked, and would have them judge the very merge that they come with.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from git_theta.errors import UsageError
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, split_nul
from git_theta.vcs.heads import HEAD
from git_theta.words import join_some


def require_own_files(choice: EvaluationChoice, repository: Repository) -> None:
    """Raise UsageError where a file that the command of an evaluation names is not what HEAD has there."""
    top = repository.home
    changed = _find_changed(sorted(set(_list_paths(choice.definition.command, top))), top)
    if changed:
        raise UsageError(
            f"the evaluation {choice.name} runs {join_some(changed)}, which this merge changes",
            hint=f"Look at it first: git diff --cached {HEAD} -- {shlex.join(changed)}\n"
            f"Evaluate the merge once it is committed: git theta eval --gate ORIG_HEAD..HEAD {choice.name}",
        )


def _find_changed(paths: list[str], top: Path) -> list[str]:
    """The files at or below these paths that the index has otherwise than HEAD."""
    if not paths:
        return []
    options = ("--cached", "--name-only", "--no-renames", "-z")
    return split_nul(git("--literal-pathspecs", "diff-index", *options, HEAD, "--", *paths, cwd=top))


def _list_paths(command: str, top: Path) -> Iterator[str]:
    """The paths from the top that words of a command may stand for, that of Python's -m for a module, too."""
    first, *rest = _split_words(command) or [""]
    words = [first] if "/" in first else []  # else a program of PATH
    for word in chain(words, rest, (word.partition("=")[2] for word in rest)):
        for name in (word, f"{word.replace('.', '/')}.py", word.replace(".", "/")):
            path = os.path.relpath(top / name, top)
            if name and "\0" not in name and path != "." and path.split("/")[0] != "..":
                yield path


def _split_words(command: str) -> list[str]:
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # a quote without its other half: in a comment, say
        return command.replace("'", " ").replace('"', " ").split()
