"""A pickle that is a file of its own: read opcode by opcode, past the bytes of arrays, which may be many GB.

Also what joblib writes: a pickle in which the bytes of each array follow the object that describes it. Source:
``NumpyArrayWrapper`` in ``joblib/numpy_pickle.py`` (1.6), and ``pickletools`` (CPython 3.11).
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from math import prod
from pickletools import opcodes
from typing import IO, cast

from git_theta.errors import FormatError
from git_theta.formats.base import Source
from git_theta.formats.layout import require_shape
from git_theta.formats.pickle.pickle_reader import MAX_PICKLE, PickleMachine
from git_theta.formats.pickle.pickle_records import Call, Global, PickledDict, PlacedBytes

ARRAY_WRAPPER = Global("joblib.numpy_pickle", "NumpyArrayWrapper")
_WINDOW = 64 << 10
_NEAR = 64 << 10
"""Bytes that are read where they stand; more are passed by, as an array's are."""
_BYTES = {"SHORT_BINBYTES": 1, "BINBYTES": 4, "BINBYTES8": 8, "BYTEARRAY8": 8}
"""Opcodes of bytes, and how many bytes their length takes."""
_MAX_DEPTH = 10
"""Pickles within pickles: joblib writes one within another."""
_LONGEST_LINE = 64 << 10
_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in opcodes}


def read_pickle_file(source: Source) -> object:
    """The object that a file describes, as ``pickle_reader.read_pickle``; bytes are where they stand in the file.

    Raises FormatError where the file is no complete pickle, more than one, or has too much beside its arrays.
    """
    stream = _PickleStream(source, 0, source.size, has_wrappers=True)
    root = _read_root(stream)
    if stream.position != source.size:
        raise FormatError("something follows the pickle: the file may be several in one")
    return root


def read_pickle_within(source: Source, start: int, size: int, passed: Container[int] | None = None) -> object:
    """The object that a pickle in a file describes; bytes are where they stand in the file.

    Args:
        source: the file.
        start: where the pickle begins.
        size: bytes up to its end; what follows it there is not looked at.
        passed: offsets of bytes that are passed by, where all others are read; None for those that are many.

    Raises FormatError where it is no complete pickle, or has too much beside what is passed by.
    """
    return _read_root(_PickleStream(source, start, size, passed=passed))


def read_next_pickle(source: Source, start: int, passed: Container[int] | None = None) -> tuple[object, int]:
    """The object of the pickle that begins at ``start``, and where that ends. As ``read_pickle_within`` otherwise."""
    stream = _PickleStream(source, start, source.size - start, passed=passed)
    return _read_root(stream), stream.position


def _read_root(stream: _PickleStream) -> object:
    try:
        return stream.read_object()
    except (IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"the pickle is damaged: {error}") from error


def state_of(wrapper: Call) -> dict[object, object]:
    """The attributes of an object whose state is a dict, those with plain names."""
    pairs = wrapper.state.pairs or () if isinstance(wrapper.state, PickledDict) else ()
    return {key: value for key, value in pairs if isinstance(key, str)}


class _PickleStream:
    """A stretch of a file as ``pickletools`` reads it.

    Args:
        source: the file.
        start, size: the stretch.
        has_wrappers: whether bytes follow joblib's wrappers of arrays.
        passed: as ``read_pickle_within`` says.
    """

    def __init__(
        self,
        source: Source,
        start: int,
        size: int,
        *,
        has_wrappers: bool = False,
        passed: Container[int] | None = None,
    ) -> None:
        self.position = start
        self._source = source
        self._end = start + size
        self._has_wrappers = has_wrappers
        self._passed = passed
        self._window = b""
        self._window_start = 0
        self._read_bytes = 0
        self._depth = 0

    def read_object(self) -> object:
        """The object whose pickle starts here. Raises what ``PickleMachine.run`` does."""
        if self._depth == _MAX_DEPTH:
            raise FormatError("the pickle holds pickles within pickles, too deep to be read")
        self._depth += 1
        machine = PickleMachine()
        root = machine.run(self._operations(machine))
        self._depth -= 1
        return root

    def read(self, size: int) -> bytes:
        """As a file's ``read``, but for the end, where this raises FormatError."""
        self._read_bytes += size
        if size < 0 or self._read_bytes > MAX_PICKLE:
            raise FormatError(f"a pickle with more than {MAX_PICKLE} bytes beside its arrays is not read")
        if size > self._end - self.position:
            raise FormatError("the pickle ends before it is complete")
        at = self.position - self._window_start
        if at + size > len(self._window):
            self._window_start, at = self.position, 0
            self._window = self._source.read(self.position, max(size, min(_WINDOW, self._end - self.position)))
        self.position += size
        return self._window[at : at + size]

    def readline(self) -> bytes:
        """As a file's ``readline``."""
        line = bytearray()
        while not line.endswith(b"\n"):
            line += self.read(1)
            if len(line) > _LONGEST_LINE:
                raise FormatError("the pickle has a line that is longer than is read")
        return bytes(line)

    def place_bytes(self, size: int) -> PlacedBytes:
        """The next bytes, read where they are few."""
        offset = self.position
        if size > self._end - offset:
            raise FormatError("the pickle claims more bytes than the file has")
        near = size <= _NEAR if self._passed is None else offset not in self._passed
        content = self.read(size) if near else None
        self.position = offset + size
        return PlacedBytes(offset, size, content)

    def _operations(self, machine: PickleMachine) -> Iterator[tuple[str, object]]:
        while True:
            opcode = _OPCODES[self.read(1)]
            if opcode.name in _BYTES:
                yield opcode.name, self.place_bytes(int.from_bytes(self.read(_BYTES[opcode.name]), "little"))
            else:
                yield opcode.name, opcode.arg.reader(cast("IO[bytes]", self)) if opcode.arg else None
            if self._has_wrappers and opcode.name == "BUILD" and isinstance(made := machine.stack[-1], Call):
                self._read_wrapped(made)

    def _read_wrapped(self, wrapper: Call) -> None:
        """The array that follows a wrapper of joblib's: bytes after padding, or, of Python objects, another pickle."""
        if wrapper.function != ARRAY_WRAPPER:
            return
        state = state_of(wrapper)
        width = width_of(state.get("dtype"))
        if width is None:
            wrapper.items = [self.read_object()]
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self.read(self.read(1)[0])
        wrapper.items = [self.place_bytes(width * prod(require_shape(state.get("shape"))))]


def width_of(dtype: object) -> int | None:
    """Bytes of an element of a pickled dtype; None for Python objects.

    Raises FormatError for a dtype that does not tell, such as one of records.
    """
    spelled = dtype.arguments[0] if isinstance(dtype, Call) and dtype.arguments else None
    if not isinstance(spelled, str) or len(spelled) < 2:
        raise FormatError("an array has no dtype that can be read")
    if spelled[0] == "O":
        return None
    count = int(spelled[1:])
    return 4 * count if spelled[0] == "U" else count
