"""Names for the tensors in a pickled object, as its state dict would name them: keys and attributes joined by dots.

The walk takes the pickle's own order and never recurses. What it may cost is bounded, since a few bytes of pickle can
hold the same list in itself a billion times over: each container is entered once, where it is met first; tensors, which
may well be tied, are named at every place that holds them, as long as these are not far more than there are tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from git_theta.errors import FormatError
from git_theta.formats.pickle.pickle_arrays import PickledArray, array_of
from git_theta.formats.pickle.pickle_names import label_of
from git_theta.formats.pickle.pickle_records import Call, Global, PersistentId, PickledDict
from git_theta.formats.torch.torch_tensors import REBUILD_FUNCTIONS, PickledTensor, tensor_of
from git_theta.formats.unique_names import MAX_TEXT, UniqueNames

_MAX_DEPTH = 2000
_MAX_VISITS = 1_000_000
_MAX_TIES = 100_000
"""Times that tensors may be met again, and eight more for each: a few bytes tie one to itself without end."""

# Where in a call's arguments the tensors are, and what to call them; None: as the call itself.
_ArgumentLabels = dict[tuple[int, ...], str | None]
_TENSOR_ARGUMENTS: dict[str, _ArgumentLabels] = {
    # Not the storage in a tensor's arguments: that is the tensor.
    **{function: {} for function in REBUILD_FUNCTIONS},
    "torch._utils._rebuild_parameter": {(0,): None},
    "torch._utils._rebuild_parameter_with_state": {(0,): None},
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": {(0,): None},
    "torch._utils._rebuild_qtensor": {(4, 1): "scales", (4, 2): "zero_points"},
    "torch._utils._rebuild_nested_tensor": {(0,): "values", (1,): "sizes", (2,): "strides", (3,): "storage_offsets"},
    # TorchScript's typed lists and dicts.
    "torch.jit._pickle.restore_type_tag": {(0,): None},
    "torch.jit._pickle.build_tensorlist": {(0,): None},
}
_SPARSE_COO: _ArgumentLabels = {(1, 0): "indices", (1, 1): "values"}
_SPARSE_COMPRESSED: _ArgumentLabels = {
    (1, 0): "compressed_indices",
    (1, 1): "plain_indices",
    (1, 2): "values",
}
# These take (function, type, arguments, attributes).
_SUBCLASS_REBUILDS = frozenset(("torch._tensor._rebuild_from_type", "torch._tensor._rebuild_from_type_v2"))
_STATEFUL_REBUILDS = _SUBCLASS_REBUILDS | {"torch._utils._rebuild_parameter_with_state"}
# A module keeps what its state dict calls "weight" in the attribute _parameters.
_MODULE_TABLES = frozenset(("_parameters", "_buffers", "_modules"))

_LabelledValue = tuple[str | None, object]
_EXHAUSTED = (None, object())


@dataclass(frozen=True, slots=True)
class _NameChain:
    """The way from the root, as a chain: joined only for tensors, so that long keys are not copied at every level."""

    parent: _NameChain | None
    label: str
    length: int

    def full_name(self) -> str:
        labels = [self.label]
        above = self.parent
        while above:
            labels.append(above.label)
            above = above.parent
        return ".".join(reversed(labels))


def name_tensors(root: object, names: UniqueNames, top: str = "") -> Iterator[tuple[str, PickledTensor | PickledArray]]:
    """The tensors that a pickle describes, in its order, under ``top`` where that is given.

    Arrays of NumPy are among them where their bytes stand in the pickle.

    Raises:
        FormatError: the object is nested over 2,000 deep, or too large or too repetitive to walk.
    """
    top_path = _NameChain(None, top, len(top)) if top else None
    # Iterators, not lists of children: what is held grows with the depth alone.
    stack: list[tuple[_NameChain | None, Iterator[_LabelledValue]]] = [(top_path, iter([(None, root)]))]
    entered, tied = set[int](), set[int]()
    visits = ties = 0
    while stack:
        above, parts = stack[-1]
        label, value = next(parts, _EXHAUSTED)
        if value is _EXHAUSTED[1]:
            stack.pop()
            continue
        visits += 1
        if visits > _MAX_VISITS or len(stack) > _MAX_DEPTH:
            raise FormatError("the pickle holds the same objects too often, or is nested too deep")
        if id(value) in entered:
            continue
        path = above if label is None else _extend_chain(above, label)
        tensor = tensor_of(value) or array_of(value)
        if tensor is None and not _is_torch_rebuild(value):
            entered.add(id(value))
        else:
            ties += id(value) in tied
            tied.add(id(value))
            if ties > _MAX_TIES + 8 * len(tied):
                raise FormatError("the pickle holds the same tensors too often")
        if tensor is not None:
            yield names.claim_name(_tensor_name(path)), tensor
            if isinstance(tensor, PickledArray):
                continue
        stack.append((path, _tensor_children(value)))


def _tensor_name(path: _NameChain | None) -> str:
    """The path as a name; an object that is itself a tensor has none, and is called "tensor"."""
    if path and path.length > MAX_TEXT:
        raise FormatError("the pickle names a tensor with more text than is read")
    return (path.full_name() if path else "") or "tensor"


def _extend_chain(path: _NameChain | None, label: str) -> _NameChain:
    return _NameChain(path, label, (path.length + 1 if path else 0) + len(label))


def _tensor_children(value: object) -> Iterator[_LabelledValue]:
    """What is inside a value and may be or hold a tensor, each with its label."""
    return (part for part in _all_children(value) if _may_hold_tensors(part[1]))


def _may_hold_tensors(value: object) -> bool:
    if isinstance(value, PickledDict):
        return bool(value.pairs)
    return isinstance(value, (Call, PersistentId)) or (isinstance(value, (list, tuple)) and bool(value))


def _all_children(value: object) -> Iterable[_LabelledValue]:
    if isinstance(value, (list, tuple)):
        return _number_items(value)
    if isinstance(value, PickledDict):
        return _label_pairs(value.pairs or ())
    return _call_children(value) if isinstance(value, Call) else ()


def _call_children(call: Call) -> Iterator[_LabelledValue]:
    """A tensor's ingredients, or an object's: arguments, items, keys, attributes."""
    path = call.function.path if isinstance(call.function, Global) else ""
    places = _tensor_arguments(path, call)
    if places is not None:
        yield from ((label, _argument_at(call.arguments, place)) for place, label in places.items())
    elif _rebuilds_subclass(path, call):
        yield None, Call(call.arguments[0], _as_tuple(call.arguments[2]))
    else:
        yield from _number_items(call.arguments)
    yield from _number_items(call.items or ())
    yield from _label_pairs(call.pairs or ())
    yield from _state_children(
        _argument_at(call.arguments, (3,)) if path in _STATEFUL_REBUILDS else call.state, _is_torch_rebuild(call)
    )


def _state_children(state: object, of_tensor: bool) -> Iterator[_LabelledValue]:
    """An object's state: its attributes, or a pair of them and its slots, or anything."""
    for table in state if isinstance(state, tuple) and len(state) == 2 else (state,):
        if of_tensor or not isinstance(table, PickledDict):
            # As containers of their own they are entered once, however often the tensor is tied: two parameters may
            # refer to one another.
            yield None, table
        else:
            yield from (
                (None if label in _MODULE_TABLES else label, part) for label, part in _label_pairs(table.pairs or ())
            )


def _tensor_arguments(path: str, call: Call) -> _ArgumentLabels | None:
    if path != "torch._utils._rebuild_sparse_tensor":
        return _TENSOR_ARGUMENTS.get(path)
    layout = _argument_at(call.arguments, (0,))
    coordinates = isinstance(layout, Call) and layout.arguments == ("torch.sparse_coo",)
    return _SPARSE_COO if coordinates else _SPARSE_COMPRESSED


def _rebuilds_subclass(path: str, call: Call) -> bool:
    """Whether the call rebuilds a tensor of a subclass, through the function that it names."""
    return path in _SUBCLASS_REBUILDS and len(call.arguments) == 4 and _is_torch_rebuild(Call(call.arguments[0], ()))


def _is_torch_rebuild(value: object) -> bool:
    """Whether ``value`` is made of tensors as a parameter is, and so may be tied: not a container to enter once."""
    if not isinstance(value, Call) or not isinstance(value.function, Global):
        return False
    return value.function.module in ("torch._utils", "torch._tensor")


def _as_tuple(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()


def _argument_at(value: object, place: tuple[int, ...]) -> object:
    """The argument at ``place``; None where there is none."""
    for index in place:
        value = value[index] if isinstance(value, tuple) and index < len(value) else None
    return value


def _number_items(items: Iterable[object]) -> Iterator[_LabelledValue]:
    return ((str(index), item) for index, item in enumerate(items))


def _label_pairs(pairs: Iterable[tuple[object, object]]) -> Iterator[_LabelledValue]:
    return ((label_of(key), item) for key, item in pairs)
