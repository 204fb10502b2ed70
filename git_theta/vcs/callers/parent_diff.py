"""What a Git command that shows differences was told to show."""

from __future__ import annotations

from itertools import takewhile

from git_theta.vcs.callers.parent_process import parent_command

_DIFF_COMMANDS = (["diff"], ["format-patch"], ["log"], ["reflog"], ["show"], ["stash", "show"], ["whatchanged"])


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
