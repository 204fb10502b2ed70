"""What a pickled object says in plain values, by key: the ways to them, joined by dots, as names of tensors are.

Dicts are mappings here: in which order their keys were set is no fact. Nor is what differs with the protocol, or the
release of NumPy. What a walk may cost is bounded: each container is entered once, where it is met first.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Fact
from git_theta.formats.pickle.pickle_names import label_of
from git_theta.formats.pickle.pickle_reader import Call, Global, PersistentId, PickledDict, PlacedBytes

Simplify = Callable[[object], object]
"""What a value is without what is told elsewhere: a tensor without its storage and its shape."""
TellTensor = Callable[[object, str], Fact | None]
"""What is to be said of a value (and its path) that is a tensor; None for any other value."""

_MAX_DEPTH = 1000
_MAX_LEAF_DEPTH = 100
"""Of what is told as one value: it is walked by recursion."""
_MAX_NODES = 300_000
"""Values to tell apart: with what they say they take 150 MB. The largest pickle that is read has 60,000 tensors."""
_MAX_VALUES = 1_000_000
_LONGEST_TEXT = 4096
"""Characters of a plain value: a longer text may be weights that somebody spelled."""
_LONGEST_LIST = 64
"""Numbers of a plain value: more of them may be weights."""
_SHOWN = 60
_ARRAYS = frozenset(("multiarray._reconstruct", "numeric._frombuffer", "multiarray.scalar"))
_LATIN = Global("_codecs", "encode")
_Scalar = (str, int, float, bool, type(None))


@dataclass(eq=False, slots=True)
class FactNode:
    """A value of the checkpoint: what holds it (None: it is the checkpoint), under which key, and the way to it."""

    path: str
    value: object
    key: object = None
    parent: FactNode | None = None
    depth: int = 0
    has_tensors: bool = False

    def lineage(self) -> Iterator[FactNode]:
        """It, and what it is in."""
        node: FactNode | None = self
        while node:
            yield node
            node = node.parent


class PickledFact(NamedTuple):
    """A fact, and the value that it is about."""

    fact: Fact
    node: FactNode


@dataclass
class PickledFacts:
    """The facts of a pickle by key, and its containers by path."""

    facts: dict[str, PickledFact] = field(default_factory=dict)
    containers: dict[str, FactNode] = field(default_factory=dict)

    def add(self, key: str, fact: Fact, node: FactNode) -> None:
        """Note a fact, under the first key that is free."""
        free, number = key, 1
        while free in self.facts:
            number += 1
            free = f"{key}~{number}"
        self.facts[free] = PickledFact(fact, node)


def read_pickled_facts(
    root: object, top: str, tell: TellTensor, describe: Callable[[object], Fact] | None = None
) -> PickledFacts:
    """The facts of a pickled object, under ``top`` where that is given.

    Args:
        root: as ``pickle_reader`` reads it.
        top: what all keys begin with.
        tell: what to say of a value that is a tensor; None for any other.
        describe: what to say of a value that is told as one.

    Raises FormatError where it is nested too deep, or so large that it cannot be walked.
    """
    found = PickledFacts()
    stack = [FactNode(top, root)]
    entered: dict[int, str] = {}
    made = 0
    while stack:
        node = stack.pop()
        fact = tell(node.value, node.path)
        if fact:
            found.add(f"{node.path} (tensor)".strip(), fact, node)
            for above in node.lineage():
                above.has_tensors = True
        elif is_leaf(node.value):
            found.add(node.path or "value", (describe or describe_leaf)(node.value), node)
        elif id(node.value) in entered:
            again = entered[id(node.value)]
            found.add(
                node.path, Fact(sha256(f"same as {again}".encode()).digest(), f"the same as {again}", False), node
            )
        else:
            entered[id(node.value)] = node.path
            found.containers.setdefault(node.path, node)
            if kind := _kind_of(node.value):
                found.add(f"{node.path} (type)".strip(), Fact(kind.encode(), kind), node)
            few = islice(children_of(node.value), _MAX_NODES + 1)
            inside = [_child_node(node, label_of(key), key, value) for key, value in few]
            stack += sorted(inside, key=lambda child: child.path, reverse=True)
            made += len(inside)
            if made > _MAX_NODES:
                raise FormatError(f"the checkpoint holds more than {_MAX_NODES} values")
    return found


def _child_node(parent: FactNode, label: str, key: object, value: object) -> FactNode:
    path = f"{parent.path}.{label}" if parent.path else label
    if parent.depth >= _MAX_DEPTH or len(path) > _LONGEST_TEXT:
        raise FormatError("the checkpoint is nested too deep to be walked")
    return FactNode(path, value, key, parent, parent.depth + 1)


def children_of(value: object) -> Iterator[tuple[object, object]]:
    """Keys and values of what is in a container."""
    if isinstance(value, (list, tuple)):
        yield from enumerate(value)
    elif isinstance(value, PickledDict):
        yield from value.pairs or ()
    elif isinstance(value, Call):
        yield from enumerate(value.arguments)
        yield from enumerate(value.items or ())
        yield from value.pairs or ()
        if isinstance(value.state, PickledDict):
            yield from value.state.pairs or ()
        elif value.state is not None:
            yield "state", value.state


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
            return sha256(b"global" + _plain_path(value).encode("utf-8", "surrogatepass")).digest()
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


def _plain_path(value: Global) -> str:
    """A global's path; NumPy 2 calls its modules otherwise than NumPy 1."""
    return value.path.replace("numpy._core.", "numpy.core.", 1)


def _is_array(value: Call) -> bool:
    path = _plain_path(value.function) if isinstance(value.function, Global) else ""
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
        return _plain_path(value)
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


def _kind_of(value: object) -> str:
    """What a container is, where it is no plain dict."""
    if isinstance(value, Call):
        return _plain_path(value.function) if isinstance(value.function, Global) else "an object"
    return "" if isinstance(value, PickledDict) else type(value).__name__
