"""The dicts and lists of a pickled checkpoint as tables that tensors can be put into and taken out of, by name.

A name is the way to a tensor, joined by dots, as ``torch_names`` gives it; here the way is walked back. What is not a
value in a dict or list (a tensor inside a tuple, an attribute, a part of a sparse tensor) has no place in a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeGuard

from git_theta.errors import FormatError
from git_theta.formats.pickle.pickle_reader import Call, Global, Mapping
from git_theta.formats.torch.torch_names import label_of
from git_theta.formats.torch.torch_tensors import Tensor, tensor_of

ORDERED = Global("collections", "OrderedDict")
_PARAMETER = Global("torch._utils", "_rebuild_parameter")
_MAX_TEXT = 32 << 20

_Pair = tuple[object, object]


@dataclass(eq=False, slots=True)
class Table:
    """A dict or list of the checkpoint, and what is to become of it.

    Attributes:
        record: the pickle's record of it.
        pairs: keys and values as they were; a list's keys are its indices.
        within: its own place in the nearest table around it; None for the checkpoint itself.
        example: for a new dict, the table that it is made like.
        cursor: the index after which new pairs go, and after what holds no marked tensor there.
        marked: the indices of pairs that are or hold a marked tensor.
        removed: the indices of pairs to leave out.
        added: the pairs to put in, by the index that they follow; -1 for the front.
        labels: the keys as text, once they were asked for.
        holds: whether a tensor is in it, or in what it holds.
        sub: the last of its dicts that holds tensors, if any: what a new one is made like.
    """

    record: Mapping | Call | list[object]
    pairs: list[_Pair]
    within: Place | None = None
    example: Table | None = None
    cursor: int = -1
    marked: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    added: dict[int, list[_Pair]] = field(default_factory=dict)
    labels: set[str] | None = None
    holds: bool = False
    sub: Table | None = None

    def commit(self) -> None:
        """Write what was planned into the record."""
        pairs = list(self.added.get(-1, ()))
        for index, pair in enumerate(self.pairs):
            if index not in self.removed:
                pairs.append(pair)
            pairs.extend(self.added.get(index, ()))
        if isinstance(self.record, list):
            self.record[:] = [value for _, value in pairs]
        else:
            self.record.pairs = pairs

    def insert(self, key: object, value: object) -> None:
        """Plan a new pair: last before the next marked tensor."""
        while self.cursor + 1 < len(self.pairs) and self.cursor + 1 not in self.marked:
            self.cursor += 1
        self.added.setdefault(self.cursor, []).append((key, value))
        if self.labels is not None:
            self.labels.add(label_of(key))

    def has(self, label: str) -> bool:
        """Whether a pair with that label stays or was added. Ask once all that goes was taken."""
        if self.labels is None:
            kept = (key for index, (key, _) in enumerate(self.pairs) if index not in self.removed)
            self.labels = {label_of(key) for key in kept}
        return label in self.labels

    def nests(self) -> bool:
        """Whether a dotted name becomes a dict within it; else the dotted name is the key, as in state dicts."""
        like = self.example or self
        if any(isinstance(key, str) and "." in key for key, _ in like.pairs) or _is_ordered(like.record):
            return False
        return like.sub is not None or any(type(key) is int for key, _ in like.pairs)

    def key_of(self, label: str) -> object:
        """The key for a new value. Raises FormatError where a list or an empty dict does not say."""
        like = self.example or self
        if isinstance(self.record, list):
            length = len(self.pairs) - len(self.removed) + sum(map(len, self.added.values()))
            if label != str(length):
                raise FormatError("a list of tensors can only grow at its end")
            self.cursor = len(self.pairs) - 1
            return length
        if not (like.pairs or self.within is None or _is_ordered(like.record)):
            raise FormatError("the dict that it belongs to is empty: nothing tells how its keys are written")
        numbered = bool(like.pairs) and all(type(key) is int for key, _ in like.pairs)
        return int(label) if numbered and _is_number(label) else label


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor is: pair ``index`` of ``table``."""

    table: Table
    index: int

    @property
    def value(self) -> object:
        return self.table.pairs[self.index][1]

    def point(self) -> None:
        """Have new pairs put after this one, and after what it is in."""
        for place in self._way():
            place.table.cursor = place.index

    def mark(self) -> None:
        """Have new pairs that come before this one put no earlier than right there."""
        for place in self._way():
            place.table.marked.add(place.index)

    def _way(self) -> Iterator[Place]:
        place: Place | None = self
        while place:
            yield place
            place = place.table.within

    def put(self, value: object) -> None:
        """Plan another value in the same place."""
        self.table.pairs[self.index] = (self.table.pairs[self.index][0], value)

    def take(self) -> None:
        """Plan to leave the pair out. Raises FormatError for a list: what follows would change its name."""
        if isinstance(self.table.record, list):
            raise FormatError("a tensor cannot be taken out of a list")
        self.table.removed.add(self.index)


class Tables:
    """All tables of a checkpoint, and the places of its tensors in them, by name in the pickle's order."""

    def __init__(self, root: object) -> None:
        self.places: dict[str, Place] = {}
        self._tables: dict[str, Table] = {}
        self._walk(root)

    def add(self, name: str, value: object) -> None:
        """Plan a tensor of that name where its way leads. Raises FormatError where it leads nowhere."""
        above, label = self._nearest(name)
        table = self._tables.get(above)
        if table is None:
            raise FormatError("the checkpoint is no dict, so nothing can be added to it")
        first, dot, _ = label.partition(".")
        if dot and table.nests():
            self._tables[_joined(above, first)] = self._nested(table, first)
            self.add(name, value)
        elif table.has(label):
            raise FormatError(f"the checkpoint has something else of that name than a tensor: {name!a}")
        else:
            table.insert(table.key_of(label), value)

    def commit(self) -> None:
        """Write all that was planned into the records."""
        for table in self._tables.values():
            table.commit()

    def _nearest(self, name: str) -> tuple[str, str]:
        """The longest start of ``name`` that is a table, and the rest."""
        at = len(name)
        while (at := name.rfind(".", 0, at)) > 0:
            if name[:at] in self._tables:
                return name[:at], name[at + 1 :]
        return "", name

    def _nested(self, table: Table, label: str) -> Table:
        """A new dict in ``table``."""
        if table.has(label):
            raise FormatError(f"the checkpoint has something else than a dict of that name: {label!a}")
        example = (table.example or table).sub
        if example is None:
            raise FormatError("the checkpoint has no dict that a new one could be made like")
        record = Call(ORDERED, ()) if _is_ordered(example.record) else Mapping()
        table.insert(table.key_of(label), record)
        return Table(record, [], Place(table, table.cursor), example)

    def _walk(self, root: object) -> None:
        stack = [_Frame(self._enter("", root, None), None, "", _labelled(root))]
        entered = {id(root)}
        text = 0
        while stack:
            table, _, above, children = stack[-1]
            index, label, value = next(children, (-1, "", None))
            path = _joined(above, label)
            within = Place(table, index) if table else stack[-1].within
            if index < 0:
                stack.pop()
                _leave(table, stack[-1].table if stack else None)
            elif table and tensor_at(value):
                self.places.setdefault(path, Place(table, index))
                table.holds = True
            elif isinstance(value, (Mapping, Call, list, tuple)) and id(value) not in entered:
                entered.add(id(value))
                text += len(path)
                if text > _MAX_TEXT:
                    raise FormatError("the checkpoint's keys are longer than is read")
                stack.append(_Frame(self._enter(path, value, within), within, path, _labelled(value)))

    def _enter(self, path: str, value: object, within: Place | None) -> Table | None:
        """The value as a table; None for what is none, or has another's name."""
        if path in self._tables or not (isinstance(value, (list, Mapping)) or _is_ordered(value)):
            return None
        return self._tables.setdefault(path, Table(value, _pairs_of(value), within))


class _Frame(NamedTuple):
    """What the walk is in: its table if it is one, its place, its path, and its children still to come."""

    table: Table | None
    within: Place | None
    path: str
    children: Iterator[tuple[int, str, object]]


def _leave(table: Table | None, above: Table | None) -> None:
    """Note in a table that one of its values holds tensors."""
    if table and above and table.holds:
        above.holds = True
        above.sub = above.sub if isinstance(table.record, list) else table


def tensor_at(value: object) -> Tensor | None:
    """The tensor that ``value`` is, itself or as an ``nn.Parameter``."""
    return tensor_of(value.arguments[0] if is_parameter(value) else value)


def is_parameter(value: object) -> TypeGuard[Call]:
    """Whether ``value`` wraps a tensor as an ``nn.Parameter``."""
    return isinstance(value, Call) and value.function == _PARAMETER and len(value.arguments) == 3


def _is_ordered(value: object) -> TypeGuard[Call]:
    return isinstance(value, Call) and value.function == ORDERED


def _pairs_of(value: object) -> list[_Pair]:
    """Keys and values of a dict, indices and items of a list or tuple; nothing for anything else."""
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    return list(value.pairs or ()) if isinstance(value, Mapping) or _is_ordered(value) else []


def _labelled(value: object) -> Iterator[tuple[int, str, object]]:
    """Index, label and value of what is in a dict, list or tuple."""
    return ((index, label_of(key), item) for index, (key, item) in enumerate(_pairs_of(value)))


def _is_number(label: str) -> bool:
    return len(label) < 20 and label.isdecimal() and label == str(int(label))


def _joined(above: str, label: str) -> str:
    return f"{above}.{label}" if above else label
