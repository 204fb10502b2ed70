"""Names, counts and sizes as people read them, on a terminal, in a page, in a message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

_LOGIN = re.compile(r"(https?://|://(?=[^/@\s]*:))[^/\s]*@")
"""Over http a user alone may be a token; over ssh it is part of the address, and a password is not."""
_MOST_GROUPS = 20


def escape_unprintable(text: str) -> str:
    """``text`` with what could steer a terminal escaped: names come from files that cannot be trusted (L10).

    What cannot be encoded (a lone surrogate) is escaped, too, and so are marks that change the direction of writing.
    """
    return text if text.isprintable() else "".join(map(_escape_letter, text))


def redact_logins(text: str) -> str:
    """``text`` without the users and passwords in its URLs: what is printed ends up in the logs of build servers."""
    return _LOGIN.sub(r"\1", text)


def shorten_text(text: str, most: int = 200) -> str:
    """``text`` without its middle where it has more than ``most`` characters: a name may have millions."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}...{text[-half:]}"


def list_some(lines: Iterable[str], most: int = 100, rest: str = "") -> Iterator[str]:
    """The first ``most`` lines, and how many more there are: a checkpoint may have a hundred thousand parameters.

    ``rest`` says where all of them are.
    """
    waiting = iter(lines)
    yield from islice(waiting, most)
    if more := sum(1 for _ in waiting):
        yield f"  ... and {more:,} more{rest}"


def group_names(names: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Names by what they begin with, in no more than twenty groups where that can be: (what to call it, its names).

    Names are cut at dots, as late as gives few enough groups; a group of one is called by its whole name, one of
    several ``encoder.layer.0.*``.
    """
    deepest = max((name.count(".") for name in names), default=0)
    groups: dict[str, list[str]] = {}
    for depth in range(deepest + 1, 0, -1):
        groups = {}
        for name in names:
            groups.setdefault(_cut_name(name, depth), []).append(name)
        if len(groups) <= _MOST_GROUPS:
            break
    return [(held[0] if len(held) == 1 else label, held) for label, held in groups.items()]


def join_some(names: Sequence[str], most: int = 20) -> str:
    """Names in one line, with a word on how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def pluralize(number: int, noun: str) -> str:
    """A number and its noun: ``1 object``, ``2 objects``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def suggest_names(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not known: the closest ones, and what there is."""
    import difflib  # only ever to phrase an error

    names = list(known)
    close = difflib.get_close_matches(name, names, n=2)
    meant = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
    return f"{meant}There is: {', '.join(names)}." if names else "It has no options."


def humanize_size(bytes_: int | float) -> str:
    """Bytes in the unit that suits them, powers of 1000: ``90.9 MB``."""
    if bytes_ < 1000:
        return f"{bytes_} B"
    for unit in ("kB", "MB", "GB"):
        bytes_ /= 1000
        if bytes_ < 999.95:
            return f"{bytes_:.1f} {unit}"
    return f"{bytes_ / 1000:.1f} TB"


def _cut_name(name: str, depth: int) -> str:
    """The first ``depth`` components of a name, with a star for those that were cut off."""
    components = name.split(".")
    return ".".join([*components[:depth], "*"]) if len(components) > depth else name


def _escape_letter(letter: str) -> str:
    return letter if letter.isprintable() else ascii(letter)[1:-1]
