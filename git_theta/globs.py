"""The two pattern languages of a policy: parameters by name, files by path. Both tell upper from lower case.

In both ``?`` is any one character, ``[abc]``, ``[a-z]`` and ``[!abc]`` one of (or none of) these, and ``[*]`` a star.

A *name* is one piece: ``*`` is any characters, dots too, so that ``encoder.*`` is all that is in the module. A *path*
is matched as in ``.gitattributes``: without a slash the pattern is for the file's name, in whatever folder; with one it
is for the path from the top, where ``*`` stops at slashes and ``**`` does not.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence

from git_theta.errors import UsageError

_SET = re.compile(r"\[!?+\]?+[^\]]*\]")
_SPECIAL = re.compile(r"[*?\[]")


def name_matcher(globs: Sequence[str]) -> Callable[[str], bool]:
    """Whether a parameter's name matches one of the globs, as every name does where there are none.

    Raises UsageError for what is no glob.
    """
    whole = re.compile("|".join(_translate_piece(glob, glob) for glob in globs))
    return lambda name: whole.match(name) is not None


def path_matcher(globs: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path (with slashes, from the top) matches one of the globs. Raises UsageError for what is no glob."""
    patterns = [_split_glob(glob) for glob in globs]
    return lambda path: any(_matches(pieces, path.split("/")) for pieces in patterns)


def path_filter(include: Sequence[str], exclude: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path matches one of ``include`` (as every path does where there is none) and none of ``exclude``."""
    wanted, unwanted = path_matcher(include), path_matcher(exclude)
    return lambda path: (not include or wanted(path)) and not unwanted(path)


def escape_path(path: str) -> str:
    """The glob that matches this path alone."""
    return "/" + _SPECIAL.sub(lambda found: f"[{found[0]}]", path)


_Piece = re.Pattern[str] | None  # None for **: any number of folders


def _split_glob(glob: str) -> list[_Piece]:
    anchored = glob.removeprefix("/").split("/")
    if "/" not in glob:
        anchored = ["**", glob]
    elif anchored[-1] == "**":
        anchored.append("*")  # what is in the folder, not the folder
    return [None if piece == "**" else re.compile(_translate_piece(piece, glob)) for piece in anchored]


def _matches(pieces: Iterable[_Piece], parts: Sequence[str]) -> bool:
    """Whether all parts are used up: ``reached`` holds how many may be after each piece."""
    reached = {0}
    for piece in pieces:
        if piece is None:
            reached = set(range(min(reached), len(parts) + 1)) if reached else reached
        else:
            reached = {at + 1 for at in reached if at < len(parts) and piece.match(parts[at])}
    return len(parts) in reached


def _translate_piece(piece: str, glob: str) -> str:
    """Of fnmatch: its regular expressions backtrack no more than they have to, whatever the pattern."""
    reasons = {
        "is empty, or empty between its slashes": not piece,
        "holds a NUL": "\0" in piece,
        "has a [ without its ] (write [[] for the character)": "[" in _SET.sub("", piece),
    }
    for reason, holds in reasons.items():
        if holds:
            raise UsageError(f"the glob {glob!r} {reason}")
    return fnmatch.translate(piece)
