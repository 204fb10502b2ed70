"""The dicts and lists of a pickled checkpoint as tables that tensors can be put into and taken out of, by name.

A name is the way to a tensor, joined by dots, as ``torch_names`` gives it; here the way is walked back. What is not a
value in a dict or list (a tensor inside a tuple, an attribute, a part of a sparse tensor) has no place in a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeGuard

from git_theta.errors import FormatError
from git_theta.formats.pickle.pickle_names import label_of
from git_theta.formats.pickle.pickle_records import Call, Global, PickledDict
from git_theta.formats.torch.edited_table import ORDERED_DICT, Pair, Table, TableSlot, is_ordered_dict
from git_theta.formats.torch.torch_tensors import PickledTensor, tensor_of

_REBUILD_PARAMETER = Global("torch._utils", "_rebuild_parameter")
_MAX_TEXT = 32 << 20


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
        record = Call(ORDERED_DICT, ()) if is_ordered_dict(example.record) else PickledDict()
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
        if path in self._tables or not (isinstance(value, (list, PickledDict)) or is_ordered_dict(value)):
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


def _pairs_of(value: object) -> list[Pair]:
    """Keys and values of a dict, indices and items of a list or tuple; nothing for anything else."""
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    return list(value.pairs or ()) if isinstance(value, PickledDict) or is_ordered_dict(value) else []


def _children_of(value: object) -> Iterator[tuple[int, str, object]]:
    """Index, label and value of what is in a dict, list or tuple."""
    return ((index, label_of(key), item) for index, (key, item) in enumerate(_pairs_of(value)))


def _join_name(above: str, label: str) -> str:
    return f"{above}.{label}" if above else label
