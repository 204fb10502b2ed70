"""Writes what ``pickle_reader`` read, as protocol 2: the one that ``torch.save`` uses and ``weights_only`` reads.

The order of opcodes and of the memo is that of the standard library (``save_reduce`` and ``save_dict`` in CPython's
``Lib/pickle.py``), so that a checkpoint comes out as torch would write it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from pickle import encode_long
from pickletools import genops
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.pickle.pickle_records import Call, Global, PersistentId, PickledDict

# The opcodes whose records are written with the same meaning. The reader's records say neither which call made an
# object (NEWOBJ, INST ...) nor which list was a set, nor how bytes and texts of Python 2 were spelled.
_REPEATABLE_OPCODES = frozenset(
    (
        *("PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
        *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS"),
        *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "BINPERSID"),
    )
)
_BATCH_SIZE = 1000
_MAX_DEPTH = 10_000
_TUPLE_OPCODES = {1: b"\x85", 2: b"\x86", 3: b"\x87"}


class _NestedValue(NamedTuple):
    """A value to be written at this place of the one around it."""

    value: object


_Step = bytes | _NestedValue
_Compound = PickledDict | Call | PersistentId | list[object] | tuple[object, ...]


def check_repeatable(data: bytes) -> None:
    """Raise FormatError where ``data`` holds what cannot be written again exactly as it is, saying what."""
    named = ""
    for opcode, argument, _ in genops(data):
        if opcode.name not in _REPEATABLE_OPCODES:
            after = f", near {named}" if named else ""
            raise FormatError(f"the checkpoint holds more than plain values (pickle opcode {opcode.name}{after})")
        named = str(argument).replace(" ", ".") if opcode.name == "GLOBAL" else named


def write_pickle(root: object, storage: Callable[[PersistentId], tuple[object, ...]]) -> bytes:
    """The pickle of ``root``, records of ``pickle_reader`` as it gives them; what was shared or cyclic stays so.

    Args:
        root: the object.
        storage: the id to write for a persistent object.

    Raises FormatError where a value cannot be written, or is nested too deep.
    """
    return b"\x80\x02" + _PickleWriter(storage).write_root(root) + b"."


class _PickleWriter:
    def __init__(self, storage: Callable[[PersistentId], tuple[object, ...]]) -> None:
        self._storage = storage
        # What is remembered is held too, or its id could become another's.
        self._memo: dict[object, tuple[int, object]] = {}

    def write_root(self, root: object) -> bytes:
        out = bytearray()
        # Iterators, not recursion: checkpoints may be nested deeper than Python calls.
        stack = [self._steps_of(root)]
        while stack:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
            elif isinstance(step, bytes):
                out += step
            elif len(stack) > _MAX_DEPTH:
                raise FormatError("the checkpoint is nested too deep to be written")
            else:
                stack.append(self._steps_of(step.value))
        return bytes(out)

    def _steps_of(self, value: object) -> Iterator[_Step]:
        known = self._memo.get(_memo_key(value))
        if known:
            yield _indexed_opcode(b"h", b"j", known[0])
        elif isinstance(value, (PickledDict, Call, PersistentId, list, tuple)):
            yield from self._compound_steps(value)
        elif isinstance(value, (str, Global)):
            yield _encode_text(value) if isinstance(value, str) else _encode_global(value)
            yield self._memoize(value)
        else:
            yield _encode_number(value)

    def _compound_steps(self, value: _Compound) -> Iterator[_Step]:
        if isinstance(value, PersistentId):
            yield from (_NestedValue(self._storage(value)), b"Q")
        elif isinstance(value, tuple):
            yield from self._tuple_steps(value)
        elif isinstance(value, Call):
            yield from self._call_steps(value)
        else:
            yield b"}" if isinstance(value, PickledDict) else b"]"
            yield self._memoize(value)
            yield from _set_item_steps(value.pairs or ()) if isinstance(value, PickledDict) else _append_steps(value)

    def _tuple_steps(self, value: tuple[object, ...]) -> Iterator[_Step]:
        if not value:
            yield b")"
            return
        if len(value) not in _TUPLE_OPCODES:
            yield b"("
        yield from map(_NestedValue, value)
        yield _TUPLE_OPCODES.get(len(value), b"t")
        yield self._memoize(value)

    def _call_steps(self, call: Call) -> Iterator[_Step]:
        yield from (_NestedValue(call.function), _NestedValue(call.arguments), b"R")
        yield self._memoize(call)
        yield from _append_steps(call.items or ())
        yield from _set_item_steps(call.pairs or ())
        if call.state is not None:
            yield from (_NestedValue(call.state), b"b")

    def _memoize(self, value: object) -> bytes:
        index = len(self._memo)
        self._memo[_memo_key(value)] = (index, value)
        return _indexed_opcode(b"q", b"r", index)


def _memo_key(value: object) -> object:
    """What a value is remembered by: globals are the same by name, all else by identity."""
    return value if isinstance(value, Global) else id(value)


def _indexed_opcode(short: bytes, long: bytes, index: int) -> bytes:
    return short + bytes([index]) if index < 256 else long + struct.pack("<L", index)


def _append_steps(items: Sequence[object]) -> Iterator[_Step]:
    for start in range(0, len(items), _BATCH_SIZE):
        yield from _batch_steps([_NestedValue(item) for item in items[start : start + _BATCH_SIZE]], 1, b"a", b"e")


def _set_item_steps(pairs: Sequence[tuple[object, object]]) -> Iterator[_Step]:
    for start in range(0, len(pairs), _BATCH_SIZE):
        batch = [_NestedValue(value) for pair in pairs[start : start + _BATCH_SIZE] for value in pair]
        yield from _batch_steps(batch, 2, b"s", b"u")


def _batch_steps(batch: list[_NestedValue], one: int, alone: bytes, together: bytes) -> Iterator[_Step]:
    """Put a batch into what is on the stack; ``one`` says how many values are a single item."""
    if len(batch) > one:
        yield b"("
    yield from batch
    yield together if len(batch) > one else alone


def _encode_global(value: Global) -> bytes:
    text = f"{value.module}\n{value.name}\n"
    # A dotted name would be looked up as it stands: protocol 2 knows no nested classes.
    if text.count("\n") != 2 or "." in value.name:
        raise FormatError(f"the checkpoint names {value.path!a}, which cannot be written again")
    return b"c" + text.encode()


def _encode_text(value: str) -> bytes:
    encoded = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<L", len(encoded)) + encoded


def _encode_number(value: object) -> bytes:
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if not isinstance(value, int):
        raise FormatError(f"the checkpoint holds a {type(value).__name__}, which cannot be written again")
    return _encode_integer(value)


def _encode_integer(value: int) -> bytes:
    if 0 <= value < 1 << 16:
        return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<l", value)
    digits = encode_long(value)
    return (b"\x8a" + bytes([len(digits)]) if len(digits) < 256 else b"\x8b" + struct.pack("<L", len(digits))) + digits
