"""Values of one pickled object put in place of another's, by the keys of what they say."""

from __future__ import annotations

from collections.abc import Iterable

from git_theta.errors import FormatError
from git_theta.formats.pickle.pickle_facts import FactNode, PickledFacts
from git_theta.formats.pickle.pickle_records import Call, PickledDict


class FactTaker:
    """Takes facts over into a pickled object.

    Args:
        into: the object's facts. Its records are changed.
    """

    def __init__(self, into: PickledFacts) -> None:
        self._into = into
        self._done: set[int] = set()

    def take(self, key: str, other: PickledFacts) -> None:
        """Have what the key says be as it is in another object, where that says nothing be removed.

        Raises FormatError where the key is about a tensor, or what holds it is neither dict nor list.
        """
        theirs, ours = other.facts.get(key), self._into.facts.get(key)
        if theirs and ours:
            if theirs.node.has_tensors or ours.node.has_tensors or theirs.node.path in other.containers:
                raise FormatError(f"{key} is no plain value")
            _set_value(_holder_of(ours.node), ours.node, theirs.node.value)
        elif theirs:
            self._add(theirs.node)
        elif ours:
            self._remove(ours.node, other)

    def _add(self, node: FactNode) -> None:
        """Put in a value, or the outermost container that is missing around it."""
        for above in node.lineage():
            if id(above) in self._done:
                return
            if above.parent and (holder := self._into.containers.get(above.parent.path)):
                break
        else:
            raise FormatError(f"{node.path} has no place in the checkpoint")
        if above.has_tensors:
            raise FormatError(f"{above.path} holds tensors")
        self._done.add(id(above))
        _add_value(holder.value, above)

    def _remove(self, node: FactNode, other: PickledFacts) -> None:
        """Take out a value, or the outermost container around it that the other object lacks."""
        for above in node.lineage():
            if id(above) in self._done:
                return
            if above.parent is None or above.parent.path in other.containers:
                break
        if above.has_tensors:
            raise FormatError(f"{above.path} holds tensors")
        self._done.add(id(above))
        _remove_value(_holder_of(above), above)


def _holder_of(node: FactNode) -> object:
    if node.parent is None:
        raise FormatError("the checkpoint is one plain value")
    return node.parent.value


def _pair_lists(holder: object) -> Iterable[list[tuple[object, object]]]:
    """The lists of pairs that a dict, or an object with attributes, has."""
    if isinstance(holder, (PickledDict, Call)) and holder.pairs:
        yield holder.pairs
    if isinstance(holder, Call) and isinstance(holder.state, PickledDict) and holder.state.pairs:
        yield holder.state.pairs


def _set_value(holder: object, node: FactNode, value: object) -> None:
    if isinstance(holder, list) and isinstance(node.key, int):
        holder[node.key] = value
        return
    for pairs in _pair_lists(holder):
        for index, (key, _) in enumerate(pairs):
            if key is node.key:
                pairs[index] = (key, value)
                return
    raise FormatError(f"{node.path} is in neither dict nor list")


def _remove_value(holder: object, node: FactNode) -> None:
    if isinstance(holder, list) and node.key == len(holder) - 1:
        holder.pop()
        return
    for pairs in _pair_lists(holder):
        for index, (key, _) in enumerate(pairs):
            if key is node.key:
                del pairs[index]
                return
    raise FormatError(f"{node.path} is in neither dict nor the end of a list")


def _add_value(holder: object, node: FactNode) -> None:
    """At the end: the order in which keys of a dict were set says nothing."""
    if isinstance(holder, list) and node.key == len(holder):
        holder.append(node.value)
    elif isinstance(holder, PickledDict):
        holder.pairs = [*(holder.pairs or ()), (node.key, node.value)]
    elif isinstance(holder, Call) and _is_state(node):
        state = holder.state if isinstance(holder.state, PickledDict) else PickledDict()
        state.pairs = [*(state.pairs or ()), (node.key, node.value)]
        holder.state = state
    elif isinstance(holder, Call) and holder.pairs:
        holder.pairs.append((node.key, node.value))
    else:
        raise FormatError(f"{node.path} would be in neither dict nor the end of a list")


def _is_state(node: FactNode) -> bool:
    """Whether a value is an attribute where it is from."""
    holder = node.parent.value if node.parent else None
    state = holder.state if isinstance(holder, Call) else None
    return isinstance(state, PickledDict) and any(key is node.key for key, _ in state.pairs or ())
