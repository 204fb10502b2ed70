"""One dict or list of a pickled checkpoint, what is to become of it, and the places of tensors in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeGuard

from git_theta.errors import FormatError
from git_theta.formats.pickle.pickle_names import label_of
from git_theta.formats.pickle.pickle_records import Call, Global, PickledDict

ORDERED_DICT = Global("collections", "OrderedDict")
Pair = tuple[object, object]


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
    pairs: list[Pair]
    parent: TableSlot | None = None
    example: Table | None = None
    cursor: int = -1
    marked: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    added: dict[int, list[Pair]] = field(default_factory=dict)
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
        if any(isinstance(key, str) and "." in key for key, _ in like.pairs) or is_ordered_dict(like.record):
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
        if not (like.pairs or self.parent is None or is_ordered_dict(like.record)):
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


def is_ordered_dict(value: object) -> TypeGuard[Call]:
    """Whether ``value`` is an ``OrderedDict``, which a pickle makes by a call."""
    return isinstance(value, Call) and value.function == ORDERED_DICT


def _is_integer_label(label: str) -> bool:
    return len(label) < 20 and label.isdecimal() and label == str(int(label))
