"""Texts that were a manifest before something took them for common text: Git's conversions, an editor, a text merge.

Git converts line ends, encodings and `$Id$` where attributes say so, and merges as text where our driver is not asked.
What comes out is no manifest. It is no checkpoint either, and whoever took it for one would record the text as a model.
"""

from __future__ import annotations

import re

from git_theta.errors import ManifestError, NewerManifest
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import DAMAGED_HINT, decode_manifest, is_manifest

_PROBE = 256  # bytes
_BOM = b"\xef\xbb\xbf"
_BEFORE_TEXT = _BOM + b"\xff\xfe \t\r\n"
"""Marks of byte order, and blanks."""
_NAMED = re.compile(rb"git-theta manifest [0-9]+[ \t]*[\r\n]")
_NAMED_LINE = re.compile(rb"^" + _NAMED.pattern, re.MULTILINE)
_MARKER = re.compile(rb"^(?:<<<<<<<|>>>>>>>)", re.MULTILINE)
_ENCODINGS = {
    b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"g\0\0\0": "utf-32-le", b"\0\0\0g": "utf-32-be",
    b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"g\0": "utf-16-le", b"\0g": "utf-16-be",
}  # fmt: skip
"""How a text begins to how it is encoded; the longer beginnings first."""
_MARKERS_HINT = """\
While the merge is under way: git checkout --merge -- FILE, then git theta resolve. Merge with git theta merge.
Later: take the file from a commit, git checkout COMMIT -- FILE"""


def resembles_manifest(head: bytes) -> bool:
    """Whether a file that starts with ``head`` is a manifest, or was one: whatever its line ends and encoding.

    Conflict markers may stand before its first line.
    """
    start = head[:_PROBE].replace(b"\0", b"").lstrip(_BEFORE_TEXT)
    if start.startswith(b"<<<<<<<"):
        return _NAMED_LINE.search(head.replace(b"\0", b"")) is not None
    return _NAMED.match(start) is not None


def read_near_manifest(text: bytes) -> tuple[Manifest, bytes]:
    """The manifest that ``text`` is or was, and its own text: another one where line ends or encoding were converted.

    Raises NewerManifest, and ManifestError, which says what it is, where that cannot be told.
    """
    try:
        return decode_manifest(text), text
    except NewerManifest:
        raise
    except ManifestError as error:
        if _MARKER.search(text.replace(b"\0", b"")):
            raise ManifestError("conflict markers stand in its manifest", hint=_MARKERS_HINT) from error
        restored = _undo_conversions(text)
        if restored is None or not is_manifest(restored):
            raise ManifestError("what was a manifest begins otherwise now", hint=DAMAGED_HINT) from error
        return decode_manifest(restored), restored


def _undo_conversions(text: bytes) -> bytes | None:
    """The text in UTF-8 and with line feeds; None where its encoding is not known. No line of JSON holds either end."""
    encoding = next((name for start, name in _ENCODINGS.items() if text.startswith(start)), None)
    try:
        plain = text.decode(encoding).encode() if encoding else text
    except UnicodeError:
        return None
    plain = plain.removeprefix(_BOM).replace(b"\r\n", b"\n")
    return plain if b"\n" in plain else plain.replace(b"\r", b"\n")
