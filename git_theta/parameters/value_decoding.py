"""Storage to values, verified."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import chain, count, repeat
from typing import BinaryIO, cast

from git_theta.errors import CorruptObject, PluginError, ThetaError
from git_theta.manifest.model import DENSE, Coding, Entry, Place
from git_theta.parameters.entry_spec import spec_of
from git_theta.serializers.base import SERIALIZERS, Payload
from git_theta.store.base import ObjectReader, is_intact
from git_theta.store.series import SeriesReader
from git_theta.tensors.alignment import aligned_step, recut_blocks
from git_theta.tensors.arrays import BLOCK, Arrays, Buffer, Parallel
from git_theta.tensors.digest import Digest
from git_theta.tensors.spec import Spec
from git_theta.updates.base import UPDATES, Update


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
    check_options(update, coding)
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


def check_options(update: Update, coding: Coding) -> None:
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
    step = base_step(update, spec, spec_of(base))
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


def base_step(update: Update, spec: Spec, base: Spec) -> int | None:
    """Bytes of a base that belong to a block; None where the update cannot build on that base."""
    if update.base == "same-spec" and base != spec:
        return None
    return aligned_step(spec, base)
