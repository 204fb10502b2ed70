"""Values of a pickle that are told as one: what tells them apart, and how they are spelled for a person.

What differs with the protocol, or the release of NumPy, tells none apart.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from hashlib import sha256

from git_theta.errors import FormatError
from git_theta.formats.base import Fact
from git_theta.formats.pickle.pickle_records import Call, Global, PersistentId, PickledDict, PlacedBytes

Simplify = Callable[[object], object]
"""What a value is without what is told elsewhere: a tensor without its storage and its shape."""
_MAX_LEAF_DEPTH = 100
"""Of what is told as one value: it is walked by recursion."""
_MAX_VALUES = 1_000_000
_LONGEST_TEXT = 4096
"""Characters of a plain value: a longer text may be weights that somebody spelled."""
_LONGEST_LIST = 64
"""Numbers of a plain value: more of them may be weights."""
_SHOWN = 60
_ARRAYS = frozenset(("multiarray._reconstruct", "numeric._frombuffer", "multiarray.scalar"))
_LATIN = Global("_codecs", "encode")
_Scalar = (str, int, float, bool, type(None))


def is_leaf(value: object) -> bool:
    """Whether a value is told as one: a scalar, a flat list of them, bytes, an array, an empty container."""
    if isinstance(value, PlacedBytes):
        return True
    if isinstance(value, (list, tuple)):
        return all(isinstance(item, _Scalar) for item in value)
    if isinstance(value, Call):
        return _as_bytes(value) is not None or _is_array(value)
    return not isinstance(value, PickledDict) or not value.pairs


def describe_leaf(value: object) -> Fact:
    """The fact that a leaf is."""
    return Fact(digest_value(value), _spell_leaf(value), _is_plain(value))


def digest_value(value: object, simplify: Simplify = lambda value: value) -> bytes:
    """SHA-256 of what a value says. Raises FormatError where it is too deep, or larger than it looks."""
    return _ValueDigest(simplify).digest(value, 0)


class _ValueDigest:
    def __init__(self, simplify: Simplify) -> None:
        self._simplify = simplify
        self._left = _MAX_VALUES

    def digest(self, value: object, depth: int) -> bytes:
        self._left -= 1
        if self._left < 0 or depth > _MAX_LEAF_DEPTH:
            raise FormatError("a value of the checkpoint is nested too deep, or too large, to be compared")
        value = self._simplify(value)
        data = _as_bytes(value)
        if data is not None:
            return sha256(b"bytes" + data).digest()
        if isinstance(value, str):
            return sha256(b"text" + value.encode("utf-8", "surrogatepass")).digest()
        if isinstance(value, float):
            return sha256(b"float" + struct.pack(">d", value)).digest()
        if isinstance(value, int) and not isinstance(value, bool):
            return sha256(b"int" + hex(value).encode()).digest()
        if isinstance(value, Global):
            return sha256(b"global" + plain_path(value).encode("utf-8", "surrogatepass")).digest()
        return self._digest_compound(value, depth + 1)

    def _digest_compound(self, value: object, depth: int) -> bytes:
        def all_of(*values: object) -> bytes:
            return b"".join([self.digest(one, depth) for one in values])

        if isinstance(value, (list, tuple)):
            return sha256(type(value).__name__.encode() + all_of(*value)).digest()
        if isinstance(value, PickledDict):
            return sha256(b"dict" + b"".join(sorted(all_of(*pair) for pair in value.pairs or ()))).digest()
        if isinstance(value, Call):
            pairs = PickledDict(value.pairs)
            parts = all_of(value.function, value.arguments, value.items or [], pairs, value.state)
            return sha256(b"call" + parts).digest()
        if isinstance(value, PersistentId):
            return sha256(b"persistent" + all_of(value.identity)).digest()
        return sha256(repr(value).encode()).digest()


def _as_bytes(value: object) -> bytes | None:
    """Bytes, which protocol 2 spells as a text that is to be encoded; None for anything else."""
    if isinstance(value, PlacedBytes):
        if value.content is None:
            raise FormatError(f"{value.size} bytes that are pickled are too many to be compared")
        return value.content
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, Call) and value.function == _LATIN and len(value.arguments) == 2:
        text, code = value.arguments
        if isinstance(text, str) and code in ("latin1", "latin-1") and not value.state:
            try:
                return text.encode("latin-1")
            except UnicodeEncodeError:
                return None
    return None


def plain_path(value: Global) -> str:
    """A global's path; NumPy 2 calls its modules otherwise than NumPy 1."""
    return value.path.replace("numpy._core.", "numpy.core.", 1)


def _is_array(value: Call) -> bool:
    path = plain_path(value.function) if isinstance(value.function, Global) else ""
    return path.removeprefix("numpy.core.") in _ARRAYS


def _is_plain(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) <= _LONGEST_LIST and all(map(_is_plain, value))
    if isinstance(value, Call):
        return isinstance(value.function, Global) and value.function.name == "scalar"
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT
    return isinstance(value, (*_Scalar, Global, PickledDict))


def _spell_leaf(value: object) -> str:
    if isinstance(value, Global):
        return plain_path(value)
    if isinstance(value, PickledDict):
        return "{}"
    data = _as_bytes(value)
    if data is not None:
        return f"{len(data)} bytes"
    if isinstance(value, Call):
        return "a number of NumPy" if _is_plain(value) else "an array of NumPy"
    if isinstance(value, (list, tuple)) and not _is_plain(value):
        return f"{len(value)} values"
    if isinstance(value, int) and value.bit_length() > _LONGEST_LIST:
        return f"an integer of {value.bit_length()} bits"
    spelled = f"{value!r}"
    return spelled if len(spelled) <= _SHOWN else f"{spelled[: _SHOWN - 4]} ..."
