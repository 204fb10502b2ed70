"""What two manifests differ in, and whether they hold the same weights, told from their lines.

A manifest has one valid encoding, and a parameter that did not change keeps its line. So lines can be compared as they
are, and of a history of a thousand parameters only what changed is parsed: that is thirty times as fast.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from git_theta.manifest.model import Manifest
from git_theta.manifest.text import decode_manifest
from git_theta.tensors.dtypes import BY_NAME

_HEADER_LINES = 2  # the line that names it, the line for the file
_PARAMETER_START = b'{"name":'
# In JSON a quote within a string has a backslash before it: neither of these can stand in a name.
_DTYPE = re.compile(rb',"dtype":"([^"]*)"')
_STORAGE_KEY = b',"storage":'
_QUOTED_OID = re.compile(rb'"([0-9a-f]{64})"')
_OID_KEY, _OID_SIZE = b',"oid":"', 64
"""The first of a line is the part's own: it stands before the storage."""
_FLOATING = frozenset(dtype.name.encode() for dtype in BY_NAME.values() if dtype.is_floating)


def drop_common_parts(before: bytes, after: bytes) -> tuple[Manifest, Manifest]:
    """Both manifests without the parts whose lines stand in both. Raises ManifestError, as ``decode_manifest`` does.

    What is left out of them is not looked at, so it may be damaged.
    """
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return _parse_without(old, frozenset(new[_HEADER_LINES:])), _parse_without(new, frozenset(old[_HEADER_LINES:]))


def read_format(text: bytes) -> str:
    """The format that a manifest names, from its first lines alone. Raises ManifestError."""
    return _parse_without(
        [line + b"\n" for line in text.split(b"\n", _HEADER_LINES)[:_HEADER_LINES]], frozenset()
    ).format


def count_parameters(text: bytes) -> int:
    """How many parameters a manifest has; tied names count once."""
    return sum(line.startswith(_PARAMETER_START) for line in text.splitlines()[_HEADER_LINES:])


def count_parts(text: bytes) -> int:
    """How many parts a manifest has; one where there are none but the frame."""
    return max(1, len(text.splitlines()) - _HEADER_LINES)


def part_oids(text: bytes) -> Iterator[bytes]:
    """The ids of a manifest's parts, without the frame's; what they are stored relative to is none of them."""
    return (line.partition(_OID_KEY)[2][:_OID_SIZE] for line in text.splitlines()[_HEADER_LINES:])


def digest_floating(*texts: bytes) -> str:
    """A digest of all floating-point parameters of manifests: names, dtypes, shapes and values; "" for none.

    Neither the order in the file counts, nor which file they are in, nor how they are stored.
    """
    identities = sorted(
        line.partition(_STORAGE_KEY)[0]
        for text in texts
        for line in text.splitlines()[_HEADER_LINES:]
        if _is_floating(line)
    )
    return hashlib.sha256(b"\n".join(identities)).hexdigest() if identities else ""


def find_named_objects(text: bytes) -> frozenset[str]:
    """The ids in a manifest: of objects, and of parts."""
    return frozenset(oid.decode() for oid in _QUOTED_OID.findall(text))


def _is_floating(line: bytes) -> bool:
    found = _DTYPE.search(line) if line.startswith(_PARAMETER_START) else None
    return found is not None and found[1] in _FLOATING


def _parse_without(lines: list[bytes], others: frozenset[bytes]) -> Manifest:
    return decode_manifest(
        b"".join([*lines[:_HEADER_LINES], *(line for line in lines[_HEADER_LINES:] if line not in others)])
    )
