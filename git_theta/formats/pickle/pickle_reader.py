"""Reads a pickle as data: every global and every call becomes an inert record, and nothing is imported or run (L10).

The opcodes and their arguments come from the standard library's ``pickletools``, which executes nothing either; this is
the stack machine over them, for protocols 0 to 5. Source: ``pickletools`` (CPython 3.11), which documents each opcode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pickletools import genops

from git_theta.errors import FormatError
from git_theta.formats.pickle.pickle_records import Call, Global, PersistentId, PickledDict

# Between them these bound the memory for a hostile pickle to under 300 MB. A tensor takes about 35 opcodes and 150
# bytes, so checkpoints with over 50,000 tensors pass.
MAX_PICKLE = 24 << 20
MAX_OPCODES = 2_000_000


def read_pickle(data: bytes) -> object:
    """The object that ``data`` describes: Python scalars, str, bytes, tuples, lists (sets too), and ``pickle_records``.

    The result may be deeply nested, cyclic, and far larger when walked than in memory.

    Raises:
        FormatError: it is no complete pickle, or over ``MAX_PICKLE`` bytes or ``MAX_OPCODES`` opcodes.
    """
    if len(data) > MAX_PICKLE:
        raise FormatError(f"a pickle of {len(data)} bytes is not read; the limit is {MAX_PICKLE}")
    try:
        return PickleMachine().run((opcode.name, argument) for opcode, argument, _ in genops(data))
    except (IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"the pickle is damaged: {error}") from error


class PickleMachine:
    """The stack machine. ``stack`` is what it works on, the last value being on top."""

    def __init__(self) -> None:
        self.stack: list[object] = []
        self.marked: list[list[object]] = []
        self.memo: dict[object, object] = {}

    def run(self, operations: Iterable[tuple[str, object]]) -> object:
        """What opcodes, by name and each with its argument, make: up to the first STOP.

        Raises FormatError at more of them than are read; IndexError, KeyError, TypeError, ValueError or OverflowError
        where they make nothing.
        """
        for count, (name, argument) in enumerate(operations):
            if count >= MAX_OPCODES:
                raise FormatError(f"a pickle of over {MAX_OPCODES} opcodes is not read")
            if name in _LITERALS:
                self.push(argument)
            elif name in _CONSTANTS:
                self.push(_CONSTANTS[name])
            elif name == "STOP":
                break
            else:
                _OPERATIONS[name](self, argument)
        return self.stack.pop()

    def pop_mark(self) -> list[object]:
        """What was pushed since the last mark, taken off the stack with the mark."""
        items, self.stack = self.stack, self.marked.pop()
        return items

    def mark(self, _: object) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def pop(self, _: object) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.pop_mark()

    def memoize(self, key: object) -> None:
        self.memo[len(self.memo) if key is None else key] = self.stack[-1]

    def push_memo(self, key: object) -> None:
        self.push(self.memo[key])

    def push(self, value: object) -> None:
        self.stack.append(value)

    def push_tuple(self, size: int) -> None:
        items = [self.stack.pop() for _ in range(size)]
        self.push(tuple(reversed(items)))

    def extend(self, items: list[object]) -> None:
        """Append to the list, set or object on the stack."""
        target = self.stack[-1]
        if isinstance(target, Call):
            target.items = target.items or []
            target.items.extend(items)
        elif isinstance(target, list):
            target.extend(items)
        else:
            raise FormatError("the pickle appends to something that is no list")

    def set_items(self, items: list[object]) -> None:
        """Set keys of the dict or object on the stack; ``items`` alternates keys and values."""
        target = self.stack[-1]
        pairs = list(zip(items[::2], items[1::2], strict=True))
        if not isinstance(target, (Call, PickledDict)):
            raise FormatError("the pickle sets a key of something that is no dict")
        target.pairs = target.pairs or []
        target.pairs.extend(pairs)

    def push_dict(self, items: list[object]) -> None:
        self.push(PickledDict())
        self.set_items(items)

    def push_global(self, argument: object) -> None:
        """A global from its one-line argument: ``module name``."""
        module, _, name = str(argument).partition(" ")
        self.push(Global(module, name))

    def stack_global(self, _: object) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise FormatError("the pickle names a global with something that is no text")
        self.push(Global(module, name))

    def push_call(self, arguments: object, *further: object) -> None:
        """Call what is on the stack: that is, record that it would be called."""
        if not isinstance(arguments, tuple):
            raise FormatError("the pickle calls a function without a tuple of arguments")
        self.push(Call(self.stack.pop(), arguments + further))

    def call_with_keywords(self, _: object) -> None:
        keywords, arguments = self.stack.pop(), self.stack.pop()
        self.push_call(arguments, keywords)

    def push_instance(self, argument: object) -> None:
        arguments = tuple(self.pop_mark())
        self.push_global(argument)
        self.push_call(arguments)

    def push_object(self, _: object) -> None:
        function, *arguments = self.pop_mark()
        self.push(Call(function, tuple(arguments)))

    def set_state(self, _: object) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, Call):
            raise FormatError("the pickle gives attributes to something that is no object")
        target.state = state


_INTEGERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4")
_TEXTS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")
_BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
_LITERALS = frozenset((*_INTEGERS, *_TEXTS, *_BYTES, "FLOAT", "BINFLOAT"))
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "NEXT_BUFFER": None}
_OPERATIONS: dict[str, Callable[[PickleMachine, object], None]] = {
    **dict.fromkeys(("PROTO", "FRAME", "READONLY_BUFFER"), lambda *_: None),
    "MARK": PickleMachine.mark,
    "POP": PickleMachine.pop,
    "POP_MARK": lambda machine, _: machine.pop_mark().clear(),
    "DUP": lambda machine, _: machine.push(machine.stack[-1]),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), PickleMachine.memoize),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), PickleMachine.push_memo),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_mark())),
    "TUPLE1": lambda machine, _: machine.push_tuple(1),
    "TUPLE2": lambda machine, _: machine.push_tuple(2),
    "TUPLE3": lambda machine, _: machine.push_tuple(3),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_SET": lambda machine, _: machine.push([]),
    "LIST": lambda machine, _: machine.push(machine.pop_mark()),
    "FROZENSET": lambda machine, _: machine.push(machine.pop_mark()),
    "APPEND": lambda machine, _: machine.extend([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.pop_mark()),
    "ADDITEMS": lambda machine, _: machine.extend(machine.pop_mark()),
    "EMPTY_DICT": lambda machine, _: machine.push(PickledDict()),
    "DICT": lambda machine, _: machine.push_dict(machine.pop_mark()),
    "SETITEM": lambda machine, _: machine.set_items([machine.stack.pop(-2), machine.stack.pop()]),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_mark()),
    "GLOBAL": PickleMachine.push_global,
    "STACK_GLOBAL": PickleMachine.stack_global,
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), lambda machine, code: machine.push_global(f"copyreg {code}")),
    "REDUCE": lambda machine, _: machine.push_call(machine.stack.pop()),
    "NEWOBJ": lambda machine, _: machine.push_call(machine.stack.pop()),
    "NEWOBJ_EX": PickleMachine.call_with_keywords,
    "INST": PickleMachine.push_instance,
    "OBJ": PickleMachine.push_object,
    "BUILD": PickleMachine.set_state,
    "PERSID": lambda machine, identity: machine.push(PersistentId(identity)),
    "BINPERSID": lambda machine, _: machine.push(PersistentId(machine.stack.pop())),
}
