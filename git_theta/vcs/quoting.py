"""C-style quotes, in which Git writes patterns and paths that hold unusual bytes (quote.c)."""

from __future__ import annotations

import re

QUOTED = re.compile(rb'"((?:[^"\\]|\\(?:[abfnrtv\\"]|[0-3][0-7]{2}))*)"')
"""A quoted text; its group is what :func:`unquote` takes."""
_ESCAPE = re.compile(rb"\\(?:([abfnrtv\\\"])|([0-3][0-7]{2}))")
_ESCAPED = dict(zip(b'abfnrtv\\"', b'\a\b\f\n\r\t\v\\"', strict=True))
_UNESCAPED = {byte: b"\\" + bytes([letter]) for letter, byte in _ESCAPED.items()}


def unquote(text: bytes) -> bytes:
    """What the inside of a quoted text stands for."""
    return _ESCAPE.sub(lambda found: bytes([_ESCAPED[found[1][0]] if found[1] else int(found[2], 8)]), text)


def quote(text: bytes) -> bytes:
    """A text in quotes."""
    escaped = (_UNESCAPED.get(byte, b"\\%03o" % byte if byte < 32 else bytes([byte])) for byte in text)
    return b'"' + b"".join(escaped) + b'"'
