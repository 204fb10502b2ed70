"""Values to storage: the update that pays, and its payload."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count, repeat
from types import MappingProxyType
from typing import Any, NamedTuple

from git_theta.errors import CorruptObject, MissingObject
from git_theta.manifest.model import DENSE, Coding, Entry, UpdateBase
from git_theta.manifest.storage_json import MAX_CHAIN
from git_theta.parameters.entry_spec import spec_of
from git_theta.parameters.preferences import DEFAULT_PREFERENCES, Preferences
from git_theta.parameters.serializer_choice import SerializerChoice, choose_serializer
from git_theta.parameters.stored_values import BaseValues, StoredValues
from git_theta.parameters.value_decoding import base_step
from git_theta.serializers.base import SERIALIZERS, Serializer
from git_theta.tensors.alignment import recut_blocks
from git_theta.tensors.arrays import Arrays, Buffer, Parallel
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import Values
from git_theta.updates.base import UPDATES, Coder, Update


class Encoding(NamedTuple):
    """How a part is going to be stored.

    Attributes:
        coding: what the manifest says of it.
        payload: its bytes, piece by piece, once. Where there is an update base, it is verified as it is read: what
            follows the last piece is CorruptObject if it is not what it says. Encode without it then.
        warning: why an update base could not be used; "" where none was offered, or it was.
    """

    coding: Coding
    payload: Iterator[Buffer]
    warning: str = ""


def encode_values(
    values: Values,
    parallel: Parallel,
    preferences: Preferences = DEFAULT_PREFERENCES,
    base: StoredValues | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Encoding:
    """How a part is stored, and its payload.

    Args:
        values: the part's.
        parallel: how to map over blocks.
        preferences: what to choose among.
        base: a stored part that updates may build on.
        settings: what the updates are told: each takes the ones that it knows.

    The choice depends on the bytes, the base, the preferences and settings alone (L2).
    """
    below, warning, settings = _usable_base(base), "", {**preferences.settings(), **settings}
    known = BY_NAME.get(values.spec.dtype.name) == values.spec.dtype  # else a reader could not tell the update
    for name in preferences.updates if known else ():
        if name == DENSE:
            break
        update = UPDATES.load_plugin(name)
        if not _fits_base(update, values.spec, below):
            continue
        try:
            with UPDATES.guard(name):
                coder = update.coder(values, below if update.base != "none" else None, settings)
        except (CorruptObject, MissingObject) as error:
            below, warning = None, f"its update base cannot be read: {error.message}"
            continue
        if coder is not None:
            return _encode_update(update, coder, values, below, parallel, preferences)._replace(warning=warning)
    return _encode_dense(values, parallel, preferences)._replace(warning=warning)


def _usable_base(base: StoredValues | None) -> BaseValues | None:
    """The base, where it can be one: not too deep, here, and no dtype that a later release might know."""
    if base is None or len(base.entry.storage.coding.chain) >= MAX_CHAIN or not base.is_here():
        return None
    return BaseValues(base) if base.entry.dtype in BY_NAME or base.entry.name is None else None


def _fits_base(update: Update, spec: Spec, base: BaseValues | None) -> bool:
    if update.base == "none":
        return True
    return base is not None and base_step(update, spec, base.spec) is not None


def _encode_update(
    update: Update, coder: Coder, values: Values, base: BaseValues | None, parallel: Parallel, chosen: Preferences
) -> Encoding:
    base = None if update.base == "none" else base
    serializer = SERIALIZERS.load_plugin(chosen.serializer or coder.serializer)
    if not serializer.takes_any_arrays:
        serializer = SERIALIZERS.load_plugin(coder.serializer)
    step = base_step(update, values.spec, base.spec) if base else None
    beside: Iterator[Buffer] = chain(recut_blocks(base.blocks(), step), repeat(b"")) if base and step else repeat(b"")

    def encode(item: tuple[int, Buffer, Buffer]) -> Arrays:
        with UPDATES.guard(update.name):
            return coder.encode(*item)

    mapping = map if coder.is_cheap else parallel
    blocks = mapping(encode, zip(count(), values.blocks(), beside, strict=False))
    payload = _write_payload(serializer, chain(UPDATES.guard_iterator(update.name, coder.head), blocks), parallel)
    coding = Coding(update.name, serializer.name, coder.options, _chain_on(base.entry) if base else ())
    return Encoding(coding, chain(payload, _finish_reading(beside) if base else ()))


def _chain_on(entry: Entry) -> tuple[UpdateBase, ...]:
    """The chain of a part that builds on this one."""
    coding, place, _ = entry.storage
    spec = spec_of(entry)
    dtype, shape = (entry.dtype, entry.shape) if entry.dtype else (spec.dtype.name, spec.shape)
    link = UpdateBase(entry.oid, entry.size, dtype, shape, coding._replace(chain=()), place)
    return (*coding.chain, link)


def _finish_reading(beside: Iterator[Buffer]) -> Iterator[Buffer]:
    """No further piece: the rest of the base, whose hash is only known at its end."""
    while next(beside):
        pass
    yield from ()


def _encode_dense(values: Values, parallel: Parallel, chosen: Preferences) -> Encoding:
    dense = UPDATES.load_plugin(DENSE)
    coder = dense.coder(values, None, {})
    assert coder is not None
    choice = SerializerChoice(chosen.serializer) if chosen.serializer else choose_serializer(values, coder)
    serializer = SERIALIZERS.load_plugin(choice.name)
    blocks = (coder.encode(at, block, b"") for at, block in enumerate(values.blocks()))
    payload = _write_payload(serializer, blocks, parallel) if choice.payload is None else iter(choice.payload)
    return Encoding(Coding(dense.name, serializer.name), payload)


def _write_payload(serializer: Serializer, lists: Iterable[Arrays], parallel: Parallel) -> Iterator[Buffer]:
    return SERIALIZERS.guard_iterator(serializer.name, serializer.encode(lists, parallel))
