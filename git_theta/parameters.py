"""Values of a part to storage, and storage to values: the one place where updates, serializers and the store meet."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from itertools import chain, count, islice, repeat, takewhile
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple, cast

from git_theta.errors import CorruptObject, MissingObject, PluginError, ThetaError
from git_theta.known_plugins import BUILT_IN
from git_theta.manifest.model import DENSE, Coding, Entry, Place, UpdateBase
from git_theta.manifest.storage_json import MAX_CHAIN
from git_theta.registry import PluginId
from git_theta.serializers.base import SERIALIZERS, Payload, Serializer
from git_theta.store.base import ObjectReader, Store, is_intact
from git_theta.store.series import SeriesReader
from git_theta.tensors.alignment import aligned_step, recut_blocks
from git_theta.tensors.arrays import BLOCK, Arrays, Buffer, Parallel
from git_theta.tensors.digest import Digest
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec, spec_fits
from git_theta.tensors.values import Values
from git_theta.updates.base import UPDATES, Coder, Update
from git_theta.words import join_some, pluralize

WORTHWHILE_SHARE = 0.98
"""A serializer that keeps more than this share of a sample is not worth its time; raw is."""

_SAMPLES = 5
"""Blocks that are sampled: the first, the last, and those between them."""
_SAMPLE_SIZE = 64 << 10
"""Bytes of each that are tried: all five together take a twentieth of the time that a part of 16 MiB takes."""

_BYTES = BY_NAME["U8"]

AUTOMATIC = (*(name for name in BUILT_IN["updates"] if name != DENSE), DENSE)
"""The updates that come with us, in the order in which they are tried."""

DEFAULT_DEPTH = 1
"""Update bases that a part may have: with one, `git add` and `git checkout` take what git-lfs takes, or less."""


class Preferences(NamedTuple):
    """What a person would have parts stored with, among what is installed.

    Attributes:
        updates: names, tried in this order; the first that pays is taken. "dense" always does, and is tried last.
        serializer: a name; "" to have the bytes decide.
        depth: update bases that a new part may have, one on the other; 0 for none.
    """

    updates: tuple[str, ...] = AUTOMATIC
    serializer: str = ""
    depth: int = DEFAULT_DEPTH

    def wants_base(self) -> bool:
        """Whether any of the updates may build on a base."""
        tried = takewhile(lambda name: name != DENSE, self.updates)
        return self.depth > 0 and any(UPDATES.load_plugin(name).base != "none" for name in tried)


DEFAULT_PREFERENCES = Preferences()


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


class StoredValues:
    """The values of a stored part: a possible update base.

    Every reading is verified at its end: see ``read_values``.
    """

    def __init__(
        self,
        entry: Entry,
        store: Store,
        parallel: Parallel = map,
        size_of: Callable[[str], int | None] | None = None,
    ) -> None:
        """``size_of``: what ``store.size`` says, where somebody remembers that for the parts of one file."""
        self.entry = entry
        self.spec = spec_of(entry)
        self.size = entry.size
        self._store = store
        self._parallel = parallel
        self._size_of = size_of or store.size

    def blocks(self, first: int = 0) -> Iterator[Buffer]:
        """As ``Values`` says. What lies before block ``first`` is decoded, too.

        A plug-in that fails at what it has stored is CorruptObject here: nothing can be built on that.
        """
        pieces = recut_blocks(read_values(self.entry, self._store, self._parallel), BLOCK)
        try:
            yield from islice(pieces, first, None)
        except PluginError as error:
            raise CorruptObject(error.message, hint=error.hint, parameter=error.parameter) from error

    def is_here(self) -> bool:
        """Whether all objects are in the store, so far as their sizes tell. Nothing is ever fetched for a base."""
        return all(self._size_of(oid) == size for oid, size in self.entry.storage.objects().items())

    def is_decodable(self) -> bool:
        """Whether the plug-ins that give them back are installed, and know all options."""
        coding = self.entry.storage.coding
        try:
            for one in (coding, *(link.coding for link in coding.chain)):
                _check_options(UPDATES.load_plugin(one.update), one)
                SERIALIZERS.load_plugin(one.serializer)
        except PluginError:
            return False
        return True


def required_plugins(parts: Iterable[Entry]) -> list[PluginId]:
    """The updates and serializers of other packages that give these parts back, sorted; nothing is loaded."""
    codings = {
        (one.update, one.serializer)
        for part in parts
        for one in (part.storage.coding, *(link.coding for link in part.storage.coding.chain))
    }
    named = {PluginId("updates", update) for update, _ in codings} | {
        PluginId("serializers", one) for _, one in codings
    }
    return sorted(one for one in named if one.name not in BUILT_IN[one.family])


def load_required(plugin: PluginId) -> None:
    """Load one of those. Raises PluginError where it is not here or does not load."""
    (UPDATES if plugin.family == "updates" else SERIALIZERS).load_plugin(plugin.name)


def require_decoders(parts: Sequence[Entry]) -> None:
    """Return when all plug-ins are here that give these parts back.

    Raises PluginError that names those which are not, the parameters that need the first of them, and the way out.
    """
    errors: list[PluginError] = []
    names: list[str] = []
    for plugin in required_plugins(parts):
        try:
            load_required(plugin)
        except PluginError as error:
            names = names or [part.name for part in parts if part.name and plugin in required_plugins([part])]
            errors.append(error)
    if errors:
        needed = f"; needed by {pluralize(len(names), 'parameter')}: {join_some(names, 3)}" if names else ""
        hints = dict.fromkeys(error.hint for error in errors)
        raise PluginError("; ".join(error.message for error in errors) + needed, hint="\n".join(hints)) from errors[0]


def spec_of(entry: Entry) -> Spec:
    """The spec that updates are told; ``U8 [size]`` for what is no tensor of a dtype that we know."""
    return _make_spec(entry.dtype, entry.shape, entry.size)


@lru_cache(1 << 12)  # many parts have the same
def _make_spec(dtype: str, shape: tuple[int, ...], size: int) -> Spec:
    known = BY_NAME.get(dtype)
    return Spec(known, shape) if known and spec_fits(dtype, shape, size) else Spec(_BYTES, (size,))


def blocks_of(data: Buffer) -> Iterator[memoryview]:
    """``data`` cut into blocks."""
    view = memoryview(data)
    return (view[start : start + BLOCK] for start in range(0, len(view), BLOCK))


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
    base, warning = _usable_base(base), ""
    known = BY_NAME.get(values.spec.dtype.name) == values.spec.dtype  # else a reader could not tell the update
    for name in preferences.updates if known else ():
        if name == DENSE:
            break
        update = UPDATES.load_plugin(name)
        if not _fits_base(update, values.spec, base):
            continue
        try:
            with UPDATES.guard(name):
                coder = update.coder(values, base if update.base != "none" else None, settings)
        except (CorruptObject, MissingObject) as error:
            base, warning = None, f"its update base cannot be read: {error.message}"
            continue
        if coder is not None:
            return _encode_update(update, coder, values, base, parallel, preferences)._replace(warning=warning)
    return _encode_dense(values, parallel, preferences)._replace(warning=warning)


def read_values(entry: Entry, store: ObjectReader, parallel: Parallel) -> Iterator[Buffer]:
    """The part's bytes in pieces, verified: what follows the last piece is CorruptObject if they are not the entry's.

    Of update bases, a block for each worker is held at a time. Raises MissingObject, CorruptObject, PluginError; each
    says which parameter.
    """
    try:
        # Where blocks are not handed to threads, ours is one of several that read: one more would be in their way.
        with Digest(0 if parallel is map else entry.size) as digest:
            for piece in _decode_values(entry, store, parallel):
                digest.update(piece)
                if digest.size > entry.size:
                    break
                yield piece
            intact = digest.size == entry.size and digest.oid() == entry.oid
        if not intact:
            raise CorruptObject("")
    except CorruptObject as error:
        raise _locate_damage(entry, store, error) from error
    except ThetaError as error:
        raise error.add_location(parameter=entry.name or "") from error.__cause__


def _locate_damage(entry: Entry, store: ObjectReader, error: CorruptObject) -> CorruptObject:
    """The error that names what is damaged: the first of the chain that is not what it says, or the part's own object.

    Bases are not hashed while all is well: the part's own hash tells of them, too.
    """
    for base in entry.storage.bases():
        try:
            for _ in read_values(base, store, map):
                pass
        except CorruptObject as found:
            return CorruptObject(
                f"{found.message}, which an update base had there", hint=found.hint, parameter=entry.name or ""
            )
    reason = f": {error.message}" if error.message else ""
    return CorruptObject(
        f"object {_find_damaged(entry.storage.place, store)} does not hold these values any more{reason}",
        hint="See what is damaged: git theta fsck. Fetch a good copy, or restore it from a backup.",
        parameter=entry.name or "",
    )


def _find_damaged(place: Place, store: ObjectReader) -> str:
    """Which object of a place has other bytes than its id says; the first, where that is not known of any."""
    if not place.rest:
        return place.object
    return next((oid for oid, _ in place.objects() if not is_intact(store, oid)), place.object)


def _decode_values(entry: Entry, store: ObjectReader, parallel: Parallel) -> Iterator[Buffer]:
    """The part's bytes, of at most its size but for a block; not verified."""
    coding, place, _ = entry.storage
    if is_verbatim(coding):
        yield from _read_verbatim(place, store)
        return
    update = UPDATES.load_plugin(coding.update)
    _check_options(update, coding)
    spec = spec_of(entry)
    base_blocks = _decode_base(entry, update, spec, store, parallel)
    with closing(read_arrays(entry, store, parallel)) as stored:
        with UPDATES.guard(update.name):
            decoder = update.decoder(spec, stored, coding.options)

        def decode(item: tuple[int, Arrays, Buffer]) -> Buffer:
            with UPDATES.guard(update.name):
                return decoder.decode(*item)

        mapping = map if decoder.is_cheap else parallel
        yield from mapping(decode, zip(count(), stored, base_blocks, strict=False))


def read_arrays(entry: Entry, store: ObjectReader, parallel: Parallel = map) -> Generator[Arrays]:
    """The lists of arrays that a part's update has stored, its head first; not verified."""
    coding, place, _ = entry.storage
    serializer = SERIALIZERS.load_plugin(coding.serializer)
    with closing(_open_place(place, store)) as file:
        yield from SERIALIZERS.guard_iterator(serializer.name, serializer.decode(Payload(file, place.size), parallel))


def is_verbatim(coding: Coding) -> bool:
    """Whether the payload is the values themselves, so that nothing has to be decoded."""
    return coding.update == DENSE and coding.serializer == "raw" and not coding.options and not coding.chain


def _read_verbatim(place: Place, store: ObjectReader) -> Iterator[Buffer]:
    with closing(_open_place(place, store)) as file:
        payload = Payload(file, place.size)
        while payload.left:
            yield payload.read_exactly(min(BLOCK, payload.left))


def _open_place(place: Place, store: ObjectReader) -> BinaryIO:
    """What reads the payload from its start on. Raises MissingObject; of a series, when it comes to the object."""
    if place.rest:
        return cast("BinaryIO", SeriesReader(place.objects(), store))
    file = store.get(place.object)
    file.seek(place.offset)
    return file


def _check_options(update: Update, coding: Coding) -> None:
    """Raise PluginError for options that the update does not know."""
    if coding.options and (unknown := coding.options.keys() - set(update.options)):
        raise PluginError(
            f"the update {update.name!r} that is installed knows no option {min(unknown)!r}",
            hint="Upgrade git-theta, or the package that provides the update.",
        )


def _decode_base(entry: Entry, update: Update, spec: Spec, store: ObjectReader, parallel: Parallel) -> Iterator[Buffer]:
    """The blocks of the update base beside those of the part; empty ones after its end, and where there is none."""
    base = next(iter(list(entry.storage.bases())[-1:]), None) if entry.storage.coding.chain else None
    if (base is None) != (update.base == "none"):
        raise CorruptObject(f"the update {update.name!r} {'lacks its base' if base is None else 'has no base'}")
    if base is None:
        return repeat(b"")
    step = _base_step(update, spec, spec_of(base))
    if step is None:
        raise CorruptObject(f"the update {update.name!r} cannot build on a base of {base.dtype} {list(base.shape)}")
    pieces = _limit_size(_decode_values(base, store, parallel), base.size)
    return chain(recut_blocks(pieces, step), repeat(b""))


def _limit_size(pieces: Iterable[Buffer], size: int) -> Iterator[Buffer]:
    """The pieces, which must have ``size`` bytes together. Raises CorruptObject."""
    left = size
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise CorruptObject("an update base has another size than its manifest says")


def _base_step(update: Update, spec: Spec, base: Spec) -> int | None:
    """Bytes of a base that belong to a block; None where the update cannot build on that base."""
    if update.base == "same-spec" and base != spec:
        return None
    return aligned_step(spec, base)


def _usable_base(base: StoredValues | None) -> StoredValues | None:
    """The base, where it can be one: not too deep, here, and no dtype that a later release might know."""
    if base is None or len(base.entry.storage.coding.chain) >= MAX_CHAIN or not base.is_here():
        return None
    return base if base.entry.dtype in BY_NAME or base.entry.name is None else None


def _fits_base(update: Update, spec: Spec, base: StoredValues | None) -> bool:
    if update.base == "none":
        return True
    return base is not None and _base_step(update, spec, base.spec) is not None


def _encode_update(
    update: Update, coder: Coder, values: Values, base: StoredValues | None, parallel: Parallel, chosen: Preferences
) -> Encoding:
    base = None if update.base == "none" else base
    serializer = SERIALIZERS.load_plugin(chosen.serializer or coder.serializer)
    if not serializer.takes_any_arrays:
        serializer = SERIALIZERS.load_plugin(coder.serializer)
    step = _base_step(update, values.spec, base.spec) if base else None
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
    serializer = SERIALIZERS.load_plugin(chosen.serializer or _choose_serializer(values, coder))
    blocks = (coder.encode(at, block, b"") for at, block in enumerate(values.blocks()))
    return Encoding(Coding(dense.name, serializer.name), _write_payload(serializer, blocks, parallel))


def _choose_serializer(values: Values, dense: Coder) -> str:
    """The name of the serializer that suits the bytes."""
    planes = SERIALIZERS.load_plugin("planes")
    sample = _sample_blocks(values)
    packed = sum(len(piece) for piece in planes.encode([dense.encode(0, block, b"") for block in sample], map))
    return planes.name if packed < WORTHWHILE_SHARE * sum(map(len, sample)) else "raw"


def _write_payload(serializer: Serializer, lists: Iterable[Arrays], parallel: Parallel) -> Iterator[Buffer]:
    return SERIALIZERS.guard_iterator(serializer.name, serializer.encode(lists, parallel))


def _sample_blocks(values: Values) -> Sequence[Buffer]:
    """What stands for all blocks: the only one, or the starts of some from the first to the last."""
    total = -(-values.size // BLOCK)
    if total <= 1:
        return list(islice(values.blocks(), 1))
    places = sorted({at * (total - 1) // (_SAMPLES - 1) for at in range(_SAMPLES)})
    return [memoryview(next(values.blocks(at)))[:_SAMPLE_SIZE] for at in places]
