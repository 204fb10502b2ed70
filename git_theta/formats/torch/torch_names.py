"""Names for the tensors in a pickled object, as its state dict would name them: keys and attributes joined by dots.

The walk takes the pickle's own order and never recurses. What it may cost is bounded, since a few bytes of pickle can
hold the same list in itself a billion times over: each container is entered once, where it is met first; tensors, which
may well be tied, are named at every place that holds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from git_theta.errors import FormatError
from git_theta.formats.pickle.pickle_reader import Call, Global, Mapping, Persistent
from git_theta.formats.torch.torch_tensors import REBUILD, Tensor, tensor_of

# With their specs and views 100,000 tensors take about 70 MB here.
_MAX_NAMES = 100_000
_MAX_DEPTH = 2000
_MAX_VISITS = 1_000_000
_MAX_TEXT = 32 << 20

# Where in a call's arguments the tensors are, and what to call them; None: as the call itself.
_Places = dict[tuple[int, ...], str | None]
_PARTS: dict[str, _Places] = {
    # Not the storage in a tensor's arguments: that is the tensor.
    **{function: {} for function in REBUILD},
    "torch._utils._rebuild_parameter": {(0,): None},
    "torch._utils._rebuild_parameter_with_state": {(0,): None},
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": {(0,): None},
    "torch._utils._rebuild_qtensor": {(4, 1): "scales", (4, 2): "zero_points"},
    "torch._utils._rebuild_nested_tensor": {(0,): "values", (1,): "sizes", (2,): "strides", (3,): "storage_offsets"},
    # TorchScript's typed lists and dicts.
    "torch.jit._pickle.restore_type_tag": {(0,): None},
    "torch.jit._pickle.build_tensorlist": {(0,): None},
}
_SPARSE: _Places = {(1, 0): "indices", (1, 1): "values"}
_SPARSE_COMPRESSED: _Places = {
    (1, 0): "compressed_indices",
    (1, 1): "plain_indices",
    (1, 2): "values",
}
# These take (function, type, arguments, attributes).
_SUBCLASS = frozenset(("torch._tensor._rebuild_from_type", "torch._tensor._rebuild_from_type_v2"))
_STATEFUL = _SUBCLASS | {"torch._utils._rebuild_parameter_with_state"}
# A module keeps what its state dict calls "weight" in the attribute _parameters.
_MODULE_TABLES = frozenset(("_parameters", "_buffers", "_modules"))

_Part = tuple[str | None, object]
_NO_PART = (None, object())


@dataclass(frozen=True, slots=True)
class _Path:
    """The way from the root, as a chain: joined only for tensors, so that long keys are not copied at every level."""

    parent: _Path | None
    label: str
    length: int

    def joined(self) -> str:
        labels = [self.label]
        above = self.parent
        while above:
            labels.append(above.label)
            above = above.parent
        return ".".join(reversed(labels))


class Names:
    """Gives every tensor of an archive a name of its own; a name that is taken gets ``~2``, ``~3`` and so on."""

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}
        self._text = 0

    def unique(self, name: str) -> str:
        """``name``, or its first free variant. Raises FormatError at more names or text than memory should hold."""
        self._text += len(name)
        if len(self._uses) >= _MAX_NAMES or self._text > _MAX_TEXT:
            raise FormatError(f"the pickle names more than {_MAX_NAMES} tensors or {_MAX_TEXT} characters")
        candidate = name
        while candidate in self._uses:
            self._uses[name] += 1
            candidate = f"{name}~{self._uses[name]}"
        self._uses[candidate] = 1
        return candidate


def named_tensors(root: object, names: Names, top: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors that a pickle describes, in its order, under ``top`` where that is given.

    Raises:
        FormatError: the object is nested over 2,000 deep, or too large or too repetitive to walk.
    """
    top_path = _Path(None, top, len(top)) if top else None
    # Iterators, not lists of children: what is held grows with the depth alone.
    stack: list[tuple[_Path | None, Iterator[_Part]]] = [(top_path, iter([(None, root)]))]
    entered: set[int] = set()
    visits = 0
    while stack:
        above, parts = stack[-1]
        label, value = next(parts, _NO_PART)
        if value is _NO_PART[1]:
            stack.pop()
            continue
        visits += 1
        if visits > _MAX_VISITS or len(stack) > _MAX_DEPTH:
            raise FormatError("the pickle holds the same objects too often, or is nested too deep")
        if id(value) in entered:
            continue
        path = above if label is None else _below(above, label)
        tensor = tensor_of(value)
        if tensor is not None:
            yield names.unique(_name(path)), tensor
        elif not _is_tensor(value):
            entered.add(id(value))
        stack.append((path, _parts(value)))


def _name(path: _Path | None) -> str:
    """The path as a name; an object that is itself a tensor has none, and is called "tensor"."""
    if path and path.length > _MAX_TEXT:
        raise FormatError("the pickle names a tensor with more text than is read")
    return (path.joined() if path else "") or "tensor"


def _below(path: _Path | None, label: str) -> _Path:
    return _Path(path, label, (path.length + 1 if path else 0) + len(label))


def _parts(value: object) -> Iterator[_Part]:
    """What is inside a value and may be or hold a tensor, each with its label."""
    return (part for part in _all_parts(value) if _may_hold(part[1]))


def _may_hold(value: object) -> bool:
    if isinstance(value, Mapping):
        return bool(value.pairs)
    return isinstance(value, (Call, Persistent)) or (isinstance(value, (list, tuple)) and bool(value))


def _all_parts(value: object) -> Iterable[_Part]:
    if isinstance(value, (list, tuple)):
        return _numbered(value)
    if isinstance(value, Mapping):
        return _labelled(value.pairs or ())
    return _parts_of_call(value) if isinstance(value, Call) else ()


def _parts_of_call(call: Call) -> Iterator[_Part]:
    """A tensor's ingredients, or an object's: arguments, items, keys, attributes."""
    path = call.function.path if isinstance(call.function, Global) else ""
    places = _places(path, call)
    if places is not None:
        yield from ((label, _at(call.arguments, place)) for place, label in places.items())
    elif _is_subclass(path, call):
        yield None, Call(call.arguments[0], _tuple(call.arguments[2]))
    else:
        yield from _numbered(call.arguments)
    yield from _numbered(call.items or ())
    yield from _labelled(call.pairs or ())
    yield from _attributes(_at(call.arguments, (3,)) if path in _STATEFUL else call.state, _is_tensor(call))


def _attributes(state: object, of_tensor: bool) -> Iterator[_Part]:
    """An object's state: its attributes, or a pair of them and its slots, or anything."""
    for table in state if isinstance(state, tuple) and len(state) == 2 else (state,):
        if of_tensor or not isinstance(table, Mapping):
            # As containers of their own they are entered once, however often the tensor is tied: two parameters may
            # refer to one another.
            yield None, table
        else:
            yield from (
                (None if label in _MODULE_TABLES else label, part) for label, part in _labelled(table.pairs or ())
            )


def _places(path: str, call: Call) -> _Places | None:
    if path != "torch._utils._rebuild_sparse_tensor":
        return _PARTS.get(path)
    layout = _at(call.arguments, (0,))
    coordinates = isinstance(layout, Call) and layout.arguments == ("torch.sparse_coo",)
    return _SPARSE if coordinates else _SPARSE_COMPRESSED


def _is_subclass(path: str, call: Call) -> bool:
    """Whether the call rebuilds a tensor of a subclass, through the function that it names."""
    return path in _SUBCLASS and len(call.arguments) == 4 and _is_tensor(Call(call.arguments[0], ()))


def _is_tensor(value: object) -> bool:
    """Whether ``value`` is made of tensors as a parameter is, and so may be tied: not a container to enter once."""
    if not isinstance(value, Call) or not isinstance(value.function, Global):
        return False
    return value.function.module in ("torch._utils", "torch._tensor")


def _tuple(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()


def _at(value: object, place: tuple[int, ...]) -> object:
    """The argument at ``place``; None where there is none."""
    for index in place:
        value = value[index] if isinstance(value, tuple) and index < len(value) else None
    return value


def _numbered(items: Iterable[object]) -> Iterator[_Part]:
    return ((str(index), item) for index, item in enumerate(items))


def _labelled(pairs: Iterable[tuple[object, object]]) -> Iterator[_Part]:
    return ((label_of(key), item) for key, item in pairs)


def label_of(key: object) -> str:
    """A dict's key as text. Only short integers are written out: Python refuses to write those of 4,300 digits."""
    if isinstance(key, str):
        return key
    if isinstance(key, Global):
        return key.path
    if key is None or isinstance(key, float) or (isinstance(key, int) and key.bit_length() <= 64):
        return str(key)
    return "key"
