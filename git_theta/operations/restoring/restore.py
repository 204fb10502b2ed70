"""A manifest to the bytes it stands for, in order, verified, with some parts ahead on other threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from git_theta.errors import CorruptObject, MissingObject
from git_theta.manifest import frame
from git_theta.manifest.model import Entry, Manifest
from git_theta.operations.availability import fetch_hint
from git_theta.operations.context import Context
from git_theta.operations.restoring.open_objects import OpenObjects
from git_theta.operations.workers import WHOLE_LIMIT
from git_theta.parameters.required_plugins import require_decoders
from git_theta.parameters.value_decoding import read_values
from git_theta.store.base import Store, select_missing
from git_theta.tensors.arrays import Buffer
from git_theta.words import humanize_size, join_some, pluralize

if TYPE_CHECKING:
    from concurrent.futures import Future

_RUNS_AHEAD = 4
_RUN_SIZE = 1 << 20
"""Bytes of small parts that a worker takes at once: handing one over costs as much as reading 20 kB."""
_SMALL_PIECE = 64 << 10
"""Bytes of a piece below which it is handed on with others: each is a system call, and a wait for the interpreter that
the workers have meanwhile."""
_HARMLESS_SIZE = 1 << 30
_USUAL_RATIO = 1000
"""Bytes of a file up to which a manifest is believed, and for each byte that is stored. A forged one of 8 MB may name
one object of 150 bytes until it claims 60 GB; what is stored of real weights is a tenth of them, seldom a hundredth."""
_LARGEST_FRAME = 64 << 20


def require_objects(manifest: Manifest, context: Context) -> None:
    """Return when every object of ``manifest`` is here and has its size, after fetching what is not.

    Raises MissingObject naming the first that cannot be had, and how many there are; CorruptObject when the manifest
    contradicts itself; PluginError, before anything is fetched, where a plug-in is not here that it takes to read them.
    """
    require_size(manifest)
    require_decoders(list(manifest.parts()))
    missing = missing_objects(manifest, context)
    reasons: list[str] = []
    if missing:
        sizes = manifest.objects()
        reasons = context.fetch({oid: sizes[oid] for oid in missing})
        missing = missing_objects(manifest, context)
    if missing:
        lacking = set(missing)
        names = [part.name for part in manifest.parts() if part.name and lacking & part.storage.objects().keys()]
        needed = f"; {pluralize(len(names), 'parameter')} need them: {join_some(names, 5)}" if len(names) > 1 else ""
        raise MissingObject(
            f"{len(missing)} of its objects are missing here, {missing[0]} first{needed}",
            parameter=names[0] if len(names) == 1 else "",
            hint=fetch_hint(reasons),
        )


def missing_objects(manifest: Manifest, context: Context) -> list[str]:
    """The objects of ``manifest`` that are not in the store, or not with their size."""
    return list(select_missing(manifest.objects(), context.store))


def is_inflated(manifest: Manifest, context: Context) -> bool:
    """Whether a manifest claims far more bytes than its objects are likely to hold: somebody should be asked first.

    Not where all of it was stored or checked out here before: so nobody is asked about an own model full of zeros.
    """
    if manifest.size <= max(_HARMLESS_SIZE, _USUAL_RATIO * sum(manifest.objects().values())):
        return False
    return any(
        context.state.storage_of(*identity) is None
        for identity in {(entry.oid, entry.dtype, entry.shape) for entry in manifest.entries}
    )


def describe_inflation(manifest: Manifest) -> str:
    """How much such a manifest claims, in words."""
    stored = humanize_size(sum(manifest.objects().values()))
    return f"claims {humanize_size(manifest.size)}, of which {stored} are stored: it may be forged, and is not written"


def restore_pieces(manifest: Manifest, context: Context) -> Iterator[Buffer]:
    """The file's bytes in pieces. What is wrong with them is raised, at the latest after the last piece.

    Raises MissingObject, CorruptObject.
    """
    require_size(manifest)
    for piece in _gather_small(_decode_pieces(manifest, context)):
        yield piece
        context.progress(len(piece))
    context.state.remember_storages(manifest.parts())  # now that all of them were found there


def _decode_pieces(manifest: Manifest, context: Context) -> Iterator[Buffer]:
    """What stands before each part, its values, and what stands after the last, in pieces of any size."""
    runs = read_runs(manifest, context)
    for part in _read_parts(manifest, context):
        yield next(runs)
        yield from part
    yield next(runs)


def _gather_small(pieces: Iterable[Buffer]) -> Iterator[Buffer]:
    """The same bytes, none of them in small pieces but the last."""
    held = bytearray()
    for piece in pieces:
        if not held and len(piece) >= _SMALL_PIECE:
            yield piece
            continue
        held += piece
        if len(held) >= _SMALL_PIECE:
            yield held
            held = bytearray()
    if held:
        yield held


def require_size(manifest: Manifest) -> None:
    """Raise CorruptObject unless the parts have the file's size: so no forged manifest writes more than it says.

    Each part is known to have its own when it is read.
    """
    size = sum(entry.size for entry in manifest.entries)
    if manifest.frame is not None:
        size += frame.literal_size(manifest.frame.size, len(manifest.entries))
    require_same_size(manifest.size, size)


def require_same_size(file_size: int, parts_size: int) -> None:
    """Raise CorruptObject unless the parts of a manifest have as many bytes as it says that its file has."""
    if parts_size != file_size:
        raise CorruptObject(
            f"the manifest says {file_size:,} bytes and its parts have {parts_size:,}",
            hint="It was damaged or forged. Take the file from another commit.",
        )


def read_runs(manifest: Manifest, context: Context) -> Iterator[bytes]:
    """The literal bytes before each entry, and after the last."""
    if manifest.frame is None:
        return iter([b""] * (len(manifest.entries) + 1))
    if manifest.frame.size > _LARGEST_FRAME:
        raise CorruptObject(f"a frame of {manifest.frame.size} bytes")
    return frame.decode_frame(b"".join(read_values(manifest.frame, context.store, map)), len(manifest.entries))


def _read_parts(manifest: Manifest, context: Context) -> Iterator[list[Buffer] | Iterator[Buffer]]:
    """The pieces of each entry: lists made ahead for small ones, a generator for a large one."""
    ahead: deque[Future[list[list[Buffer]]] | Entry] = deque()

    def next_parts() -> list[list[Buffer]] | list[Iterator[Buffer]]:
        parts = ahead.popleft()
        if isinstance(parts, Entry):
            return [read_values(parts, context.store, context.workers.map)]
        return parts.result()

    for run in _group_entries(manifest.entries):
        small = run[0].size <= WHOLE_LIMIT
        ahead.append(context.workers.cores.submit(_read_whole, run, context.store) if small else run[0])
        if len(ahead) > _RUNS_AHEAD:
            yield from next_parts()
    while ahead:
        yield from next_parts()


def _group_entries(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries in runs for one worker: of small ones as many as are worth the handing over."""
    run: list[Entry] = []
    size = 0
    for entry in entries:
        if run and size + entry.size > _RUN_SIZE:
            yield run
            run, size = [], 0
        run.append(entry)
        size += entry.size
    if run:
        yield run


def _read_whole(run: list[Entry], store: Store) -> list[list[Buffer]]:
    with closing(OpenObjects(store)) as opened:
        return [list(read_values(entry, opened, map)) for entry in run]
