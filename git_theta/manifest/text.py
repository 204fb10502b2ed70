"""The one text encoding of a manifest (normative: docs/spec/manifest.md).

A line that names it, a JSON line for the file, a JSON line per part. Known keys come in a fixed order, unknown ones
after them, sorted; separators are tight; text is UTF-8. Every valid manifest therefore has exactly one encoding, and
``decode_manifest`` accepts no other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from itertools import chain, islice, repeat

from git_theta.errors import ManifestError, NewerManifest
from git_theta.manifest.exact_lines import INEXACT, format_header, format_line, parse_header, parse_line
from git_theta.manifest.model import Entry, Manifest
from git_theta.words import pluralize, shorten_text

VERSION = 1
PREFIX = b"git-theta manifest "
FIRST_LINE = PREFIX + b"%d\n" % VERSION
MAX_MANIFEST = 64 << 20
"""A text above this many bytes is no manifest, and is not written: 150,000 parameters fit. Parsing costs memory."""
MAX_NAMES = 150_000
"""Names that a manifest may have, those of views included: as many as formats find in a file."""

_CACHED_LINES = 1 << 13
"""Parsed lines to keep: of two versions that are compared, most are the same. 2 KB each, or 16 MB."""
_SHORT_LINE = 1 << 10
"""Bytes of a line that is one of so many."""
_CACHED_LONG_LINES = 1 << 10
"""Parsed longer lines to keep: with the longest chain of update bases 16 KB each, or 16 MB as well."""
_LONG_LINE = 6 << 10
"""Bytes of a longer line that may be kept: each link of a chain takes 280. Others could hold anything."""

_ANY_VERSION = re.compile(rb"git-theta manifest ([1-9][0-9]{0,8})\n")


def is_manifest(head: bytes) -> bool:
    """Whether a file that starts with ``head`` claims to be a manifest, of any version."""
    return _ANY_VERSION.match(head) is not None


def encode_manifest(manifest: Manifest) -> bytes:
    """The encoding of ``manifest``. Raises ManifestError for one that ``decode_manifest`` would not take (L2)."""
    text = BytesIO()
    try:
        for line in _format_lines(manifest):
            text.write(line)
            if text.tell() > MAX_MANIFEST:
                raise ValueError(f"it would have more than {MAX_MANIFEST:,} bytes")
        check_names(chain.from_iterable(map(entry_names, manifest.entries)))
    except _INVALID as error:
        reason = _invalid_reason(error)
        raise ManifestError(
            f"no manifest can hold its {pluralize(len(manifest.entries), 'part')}: {reason}",
            hint="Split the checkpoint into shards.",
        ) from error
    return text.getvalue()


def decode_manifest(text: bytes, like: tuple[bytes, Manifest] | None = None) -> Manifest:
    """The manifest that ``text`` encodes.

    ``like``, another version's text and manifest, lends it the entries of lines that are the same, at the same place:
    less to parse and to hold.

    Raises NewerManifest for a version above ours, ManifestError for anything that is not exactly a valid encoding.
    """
    with explain_invalid():
        return _parse_text(text, _pair_lines(*like) if like else None)


@contextmanager
def explain_invalid() -> Iterator[None]:
    """Turns what is raised in this block for a text that is no valid manifest into a ManifestError that says why."""
    try:
        yield
    except _INVALID as error:
        raise ManifestError(f"not a valid manifest: {_invalid_reason(error)}", hint=DAMAGED_HINT) from error


def iterate_lines(text: bytes) -> Iterator[bytes]:
    """The header's line, and that of each part, with no copy of the text.

    Raises NewerManifest, and ManifestError or ValueError where they cannot be a manifest's lines.
    """
    _check_version(text)
    if len(text) > MAX_MANIFEST:
        raise ValueError(f"it has {len(text):,} bytes, more than {MAX_MANIFEST:,}")
    if not text.endswith(b"\n"):
        raise ValueError(INEXACT)
    return _lines_of(text, 1)


def _format_lines(manifest: Manifest) -> Iterator[bytes]:
    """Its lines, each as a reader takes it. Raises what is in _INVALID for one that none would."""
    yield FIRST_LINE
    yield format_header(manifest)
    yield from map(format_line, manifest.entries)


def _pair_lines(text: bytes, manifest: Manifest) -> Iterator[tuple[bytes, Entry | None]]:
    """Each part's line, with it; nothing for ever after the last."""
    return chain(zip(_lines_of(text, 2), manifest.entries, strict=True), repeat((b"", None)))


def _lines_of(text: bytes, first: int) -> Iterator[bytes]:
    """The lines from number ``first`` on, with no copy of the text."""
    return (line[:-1] for line in islice(BytesIO(text), first, None))


def _parse_text(text: bytes, lent: Iterator[tuple[bytes, Entry | None]] | None) -> Manifest:
    """Line by line. Raises what is in _INVALID."""
    lines = iterate_lines(text)
    # A cache that is smaller than the text would have forgotten each line before it comes again.
    parse = _parse_part if text.count(b"\n") <= _CACHED_LINES else parse_line
    header = parse_header(next(lines, b"{}"))
    if lent is None:
        entries = tuple(map(parse, lines))
    else:
        pairs = zip(lines, lent, strict=False)
        entries = tuple(entry if entry and line == other else parse(line) for line, (other, entry) in pairs)
    check_names(chain.from_iterable(map(entry_names, entries)))
    return header._replace(entries=entries)


def _parse_part(line: bytes) -> Entry:
    """The part that a line stands for; one that was parsed lately is the same object."""
    if len(line) < _SHORT_LINE:
        return _parse_short(line)
    return _parse_long(line) if len(line) < _LONG_LINE else parse_line(line)


_parse_short = lru_cache(_CACHED_LINES)(parse_line)
_parse_long = lru_cache(_CACHED_LONG_LINES)(parse_line)


_INVALID = (KeyError, ValueError, TypeError, AttributeError, RecursionError)
"""What is raised, at whatever depth, for values that no manifest has."""
DAMAGED_HINT = "It was edited or damaged. Take the file from another commit, or add the checkpoint again."


def _invalid_reason(error: Exception) -> str:
    """Why it is not valid, in words for a person."""
    if isinstance(error, KeyError):
        return f"the key {error.args[0]!r} is missing"
    if isinstance(error, json.JSONDecodeError):
        return f"a line is not JSON ({error.msg})"
    if isinstance(error, UnicodeError):
        return "a line is not UTF-8"
    # Ours say what is wrong; all others are Python's, about values of another kind than they should be.
    return shorten_text(str(error)) if type(error) is ValueError else "a value is not of the kind that it must be"


def _check_version(text: bytes) -> None:
    match = _ANY_VERSION.match(text)
    if match is None:
        raise ManifestError("not a manifest: the first line does not name one")
    if int(match[1]) > VERSION:
        raise NewerManifest(
            f"a manifest of version {int(match[1])}; this release reads up to version {VERSION}",
            hint="Upgrade git-theta: pip install --upgrade git-theta",
        )


def check_names(names: Iterable[str]) -> None:
    """Raise ValueError for a name that stands twice, and for more names than a manifest may have."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"two parameters are called {name!r}")
        seen.add(name)
    if len(seen) > MAX_NAMES:
        raise ValueError(f"it has more than {MAX_NAMES:,} names")


def entry_names(entry: Entry) -> tuple[str, ...]:
    """Every name once, as written: where an entry's own name is a window, its first view repeats it."""
    if entry.name is None:
        return ()
    if not entry.views:
        return (entry.name,)
    views = tuple(view.name for view in entry.views)
    return (entry.name, *(views[1:] if views[:1] == (entry.name,) else views))
