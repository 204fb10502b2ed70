"""The dicts and lists of a pickled checkpoint as tables that tensors can be put into and taken out of, by name.

A name is the way to a tensor, joined by dots, as ``torch_names`` gives it; here the way is walked back. What is not a
value in a dict or list (a tensor inside a tuple, an attribute, a part of a sparse tensor) has no place in a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeGuard

from git_theta.errors import FormatError
from git_theta.formats.pickle.pickle_names import label_of
from git_theta.formats.pickle.pickle_reader import Call, Global, PickledDict
from git_theta.formats.torch.torch_tensors import PickledTensor, tensor_of

ORDERED_DICT = Global("collections", "OrderedDict")
_REBUILD_PARAMETER = Global("torch._utils", "_rebuild_parameter")
_MAX_TEXT = 32 << 20

_Pair = tuple[object, object]


@dataclass(eq=False, slots=True)
class Table:
    """A dict or list of the checkpoint, and what is to become of it.

    Attributes:
        record: the pickle's record of it.
        pairs: keys and values as they were; a list's keys are its indices.
        parent: its own place in the nearest table around it; None for the checkpoint itself.
        example: for a new dict, the table that it is made like.
        cursor: the index after which new pairs go, and after what holds no marked tensor there.
        marked: the indices of pairs that are or hold a marked tensor.
        removed: the indices of pairs to leave out.
        added: the pairs to put in, by the index that they follow; -1 for the front.
        labels: the keys as text, once they were asked for.
        has_tensors: whether a tensor is in it, or in what it holds.
        child_example: the last of its dicts that holds tensors, if any: what a new one is made like.
    """

    record: PickledDict | Call | list[object]
    pairs: list[_Pair]
    parent: TableSlot | None = None
    example: Table | None = None
    cursor: int = -1
    marked: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    added: dict[int, list[_Pair]] = field(default_factory=dict)
    labels: set[str] | None = None
    has_tensors: bool = False
    child_example: Table | None = None

    def apply_edits(self) -> None:
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

    def has_label(self, label: str) -> bool:
        """Whether a pair with that label stays or was added. Ask once all that goes was taken."""
        if self.labels is None:
            kept = (key for index, (key, _) in enumerate(self.pairs) if index not in self.removed)
            self.labels = {label_of(key) for key in kept}
        return label in self.labels

    def nests(self) -> bool:
        """Whether a dotted name becomes a dict within it; else the dotted name is the key, as in state dicts."""
        like = self.example or self
        if any(isinstance(key, str) and "." in key for key, _ in like.pairs) or _is_ordered_dict(like.record):
            return False
        return like.child_example is not None or any(type(key) is int for key, _ in like.pairs)

    def key_of(self, label: str) -> object:
        """The key for a new value. Raises FormatError where a list or an empty dict does not say."""
        like = self.example or self
        if isinstance(self.record, list):
            length = len(self.pairs) - len(self.removed) + sum(map(len, self.added.values()))
            if label != str(length):
                raise FormatError("a list of tensors can only grow at its end")
            self.cursor = len(self.pairs) - 1
            return length
        if not (like.pairs or self.parent is None or _is_ordered_dict(like.record)):
            raise FormatError("the dict that it belongs to is empty: nothing tells how its keys are written")
        numbered = bool(like.pairs) and all(type(key) is int for key, _ in like.pairs)
        return int(label) if numbered and _is_integer_label(label) else label


@dataclass(frozen=True, slots=True)
class TableSlot:
    """Where a tensor is: pair ``index`` of ``table``."""

    table: Table
    index: int

    @property
    def value(self) -> object:
        return self.table.pairs[self.index][1]

    def move_cursor(self) -> None:
        """Have new pairs put after this one, and after what it is in."""
        for place in self._enclosing_slots():
            place.table.cursor = place.index

    def mark_boundary(self) -> None:
        """Have new pairs that come before this one put no earlier than right there."""
        for place in self._enclosing_slots():
            place.table.marked.add(place.index)

    def _enclosing_slots(self) -> Iterator[TableSlot]:
        place: TableSlot | None = self
        while place:
            yield place
            place = place.table.parent

    def replace_value(self, value: object) -> None:
        """Plan another value in the same place."""
        self.table.pairs[self.index] = (self.table.pairs[self.index][0], value)

    def remove_pair(self) -> None:
        """Plan to leave the pair out. Raises FormatError for a list: what follows would change its name."""
        if isinstance(self.table.record, list):
            raise FormatError("a tensor cannot be taken out of a list")
        self.table.removed.add(self.index)


class Tables:
    """All tables of a checkpoint, and the places of its tensors in them, by name in the pickle's order."""

    def __init__(self, root: object) -> None:
        self.slots: dict[str, TableSlot] = {}
        self._tables: dict[str, Table] = {}
        self._collect_tables(root)

    def insert_tensor(self, name: str, value: object) -> None:
        """Plan a tensor of that name where its way leads. Raises FormatError where it leads nowhere."""
        above, label = self._split_name(name)
        table = self._tables.get(above)
        if table is None:
            raise FormatError("the checkpoint is no dict, so nothing can be added to it")
        first, dot, _ = label.partition(".")
        if dot and table.nests():
            self._tables[_join_name(above, first)] = self._create_nested(table, first)
            self.insert_tensor(name, value)
        elif table.has_label(label):
            raise FormatError(f"the checkpoint has something else of that name than a tensor: {name!a}")
        else:
            table.insert(table.key_of(label), value)

    def apply_edits(self) -> None:
        """Write all that was planned into the records."""
        for table in self._tables.values():
            table.apply_edits()

    def _split_name(self, name: str) -> tuple[str, str]:
        """The longest start of ``name`` that is a table, and the rest."""
        at = len(name)
        while (at := name.rfind(".", 0, at)) > 0:
            if name[:at] in self._tables:
                return name[:at], name[at + 1 :]
        return "", name

    def _create_nested(self, table: Table, label: str) -> Table:
        """A new dict in ``table``."""
        if table.has_label(label):
            raise FormatError(f"the checkpoint has something else than a dict of that name: {label!a}")
        example = (table.example or table).child_example
        if example is None:
            raise FormatError("the checkpoint has no dict that a new one could be made like")
        record = Call(ORDERED_DICT, ()) if _is_ordered_dict(example.record) else PickledDict()
        table.insert(table.key_of(label), record)
        return Table(record, [], TableSlot(table, table.cursor), example)

    def _collect_tables(self, root: object) -> None:
        stack = [_WalkLevel(self._register_table("", root, None), None, "", _children_of(root))]
        entered = {id(root)}
        text = 0
        while stack:
            table, _, above, children = stack[-1]
            index, label, value = next(children, (-1, "", None))
            path = _join_name(above, label)
            within = TableSlot(table, index) if table else stack[-1].parent
            if index < 0:
                stack.pop()
                _mark_parent(table, stack[-1].table if stack else None)
            elif table and unwrap_tensor(value):
                self.slots.setdefault(path, TableSlot(table, index))
                table.has_tensors = True
            elif isinstance(value, (PickledDict, Call, list, tuple)) and id(value) not in entered:
                entered.add(id(value))
                text += len(path)
                if text > _MAX_TEXT:
                    raise FormatError("the checkpoint's keys are longer than is read")
                stack.append(_WalkLevel(self._register_table(path, value, within), within, path, _children_of(value)))

    def _register_table(self, path: str, value: object, within: TableSlot | None) -> Table | None:
        """The value as a table; None for what is none, or has another's name."""
        if path in self._tables or not (isinstance(value, (list, PickledDict)) or _is_ordered_dict(value)):
            return None
        return self._tables.setdefault(path, Table(value, _pairs_of(value), within))


class _WalkLevel(NamedTuple):
    """What the walk is in: its table if it is one, its place, its path, and its children still to come."""

    table: Table | None
    parent: TableSlot | None
    path: str
    children: Iterator[tuple[int, str, object]]


def _mark_parent(table: Table | None, above: Table | None) -> None:
    """Note in a table that one of its values holds tensors."""
    if table and above and table.has_tensors:
        above.has_tensors = True
        above.child_example = above.child_example if isinstance(table.record, list) else table


def unwrap_tensor(value: object) -> PickledTensor | None:
    """The tensor that ``value`` is, itself or as an ``nn.Parameter``."""
    return tensor_of(value.arguments[0] if is_nn_parameter(value) else value)


def is_nn_parameter(value: object) -> TypeGuard[Call]:
    """Whether ``value`` wraps a tensor as an ``nn.Parameter``."""
    return isinstance(value, Call) and value.function == _REBUILD_PARAMETER and len(value.arguments) == 3


def _is_ordered_dict(value: object) -> TypeGuard[Call]:
    return isinstance(value, Call) and value.function == ORDERED_DICT


def _pairs_of(value: object) -> list[_Pair]:
    """Keys and values of a dict, indices and items of a list or tuple; nothing for anything else."""
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    return list(value.pairs or ()) if isinstance(value, PickledDict) or _is_ordered_dict(value) else []


def _children_of(value: object) -> Iterator[tuple[int, str, object]]:
    """Index, label and value of what is in a dict, list or tuple."""
    return ((index, label_of(key), item) for index, (key, item) in enumerate(_pairs_of(value)))


def _is_integer_label(label: str) -> bool:
    return len(label) < 20 and label.isdecimal() and label == str(int(label))


def _join_name(above: str, label: str) -> str:
    return f"{above}.{label}" if above else label
