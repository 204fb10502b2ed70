"""What a pickled object says in plain values, by key: the ways to them, joined by dots, as names of tensors are.

Dicts are mappings here: in which order their keys were set is no fact. Nor is what differs with the protocol, or the
release of NumPy. What a walk may cost is bounded: each container is entered once, where it is met first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Fact, Scalar
from git_theta.formats.pickle.pickle_leaves import describe_leaf, is_leaf, plain_path
from git_theta.formats.pickle.pickle_names import label_of
from git_theta.formats.pickle.pickle_records import Call, Global, PickledDict

TellTensor = Callable[[object, str], Fact | None]
"""What is to be said of a value (and its path) that is a tensor; None for any other value."""

_MAX_DEPTH = 1000
_LONGEST_PATH = 4096
"""Characters of the way to a value."""
_MAX_NODES = 300_000
"""Values to tell apart: with what they say they take 150 MB. The largest pickle that is read has 60,000 tensors."""


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

    def list_plain_values(self) -> Iterator[tuple[str, Scalar]]:
        """The facts that are a plain value each, with that."""
        for key, (_, node) in self.facts.items():
            if node.value is None or isinstance(node.value, (str, int, float)):
                yield key, node.value


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
        if fact := tell(node.value, node.path):
            found.add(f"{node.path} (tensor)".strip(), fact, node)
            for above in node.lineage():
                above.has_tensors = True
        elif is_leaf(node.value):
            found.add(node.path or "value", (describe or describe_leaf)(node.value), node)
        elif id(node.value) in entered:
            again = f"same as {entered[id(node.value)]}"
            found.add(node.path, Fact(sha256(again.encode()).digest(), f"the {again}", False), node)
        else:
            entered[id(node.value)] = node.path
            inside = _enter_container(node, found)
            stack += inside
            made += len(inside)
            if made > _MAX_NODES:
                raise FormatError(f"the checkpoint holds more than {_MAX_NODES} values")
    return found


def _enter_container(node: FactNode, found: PickledFacts) -> list[FactNode]:
    """Note a container, and what it is; returns what is in it, as a stack: the first path on top."""
    found.containers.setdefault(node.path, node)
    if kind := _kind_of(node.value):
        found.add(f"{node.path} (type)".strip(), Fact(kind.encode(), kind), node)
    few = islice(children_of(node.value), _MAX_NODES + 1)
    inside = [_child_node(node, label_of(key), key, value) for key, value in few]
    return sorted(inside, key=lambda child: child.path, reverse=True)


def _child_node(parent: FactNode, label: str, key: object, value: object) -> FactNode:
    path = f"{parent.path}.{label}" if parent.path else label
    if parent.depth >= _MAX_DEPTH or len(path) > _LONGEST_PATH:
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


def _kind_of(value: object) -> str:
    """What a container is, where it is no plain dict."""
    if isinstance(value, Call):
        return plain_path(value.function) if isinstance(value.function, Global) else "an object"
    return "" if isinstance(value, PickledDict) else type(value).__name__
