"""A reader of manifests written from docs/spec alone: it imports nothing of git_theta, and does without its care.

Kept short, so that it shows what a program in another language needs. It checks what the specification asks for, and
raises AssertionError where it is not met.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import msgpack
from backports import zstd

from tests.spec.independent_delta import from_delta
from tests.spec.independent_low_rank import from_low_rank, from_scale

Get = Callable[[str], bytes]
"""The object of an oid."""
Arrays = list[bytes]
"""What a block is stored as."""
LIMIT = 2 << 20


def restore(text: bytes, get: Get) -> bytes:
    """The file that a manifest stands for."""
    first, *lines = text.decode().split("\n")
    assert first == "git-theta manifest 1", "a version that this reader does not know"
    assert lines.pop() == "", "the last line does not end"
    header, *parts = map(json.loads, lines)
    runs = frame_runs(part(header["frame"], get), len(parts)) if "frame" in header else [b""] * (len(parts) + 1)
    whole = runs[0] + b"".join(part(line, get) + run for line, run in zip(parts, runs[1:], strict=True))
    assert len(whole) == header["size"]
    return whole


def part(line: dict[str, Any], get: Get) -> bytes:
    """The bytes of a part, verified: from the root of its chain, link by link."""
    storage = line["storage"]
    chain = storage.get("chain", [])
    assert len(chain) <= 16, "a chain that is too long"
    assert len({link["oid"] for link in chain} | {line["oid"]}) == len(chain) + 1, "a chain that comes back"
    base: bytes | None = None
    for link in [*chain, {**line, **storage}]:
        base = values(link, get, base)
    assert base is not None
    assert hashlib.sha256(base).hexdigest() == line["oid"]
    return base


def values(storage: dict[str, Any], get: Get, base: bytes | None) -> bytes:
    """The bytes that a payload stands for, on those of its update base; their number is verified."""
    stored = b"".join(objects(storage, get))
    offset, length = storage.get("range", (0, len(stored)))
    payload = stored[offset : offset + length]
    assert len(payload) == length
    blocks = (
        [[payload]] if storage["serializer"] == "raw" else list(map(BODIES[storage["serializer"]], bodies(payload)))
    )
    data = UPDATES[storage["update"]](blocks, base, storage)
    assert len(data) == storage["size"]
    return data


def objects(storage: dict[str, Any], get: Get) -> Iterator[bytes]:
    """The objects that a payload is in: one, or several that are the payload one after the other."""
    several = storage.get("objects", [[storage.get("object"), storage.get("bytes")]])
    if "objects" in storage:
        assert 2 <= len(several) <= 4096
        assert storage.keys().isdisjoint({"object", "bytes", "range"})
    for oid, size in several:
        assert re.fullmatch("[0-9a-f]{64}", oid)
        stored = get(oid)
        assert len(stored) == size
        yield stored


def from_dense(blocks: list[Arrays], base: bytes | None, storage: dict[str, Any]) -> bytes:
    """The arrays themselves."""
    assert base is None
    assert "options" not in storage
    return b"".join(array for (array,) in blocks)


UPDATES: dict[str, Callable[[list[Arrays], bytes | None, dict[str, Any]], bytes]] = {
    "dense": from_dense,
    "delta": from_delta,
    "low-rank": from_low_rank,
    "scale": from_scale,
}
"""What makes values of the arrays of all blocks."""


def bodies(payload: bytes) -> Iterator[bytes]:
    """The blocks of a payload, without their lengths."""
    while payload:
        n = int.from_bytes(payload[:4], "little")
        assert n <= min(LIMIT, len(payload) - 4)
        yield payload[4 : 4 + n]
        payload = payload[4 + n :]


def from_planes(body: bytes) -> Arrays:
    """The arrays of a body of planes."""
    arrays, at = [], 1
    for _ in range(body[0]):
        width, size = body[at], int.from_bytes(body[at + 1 : at + 5], "little")
        assert size <= LIMIT
        array, at = bytearray(size), at + 5
        for k in range(width):
            word = int.from_bytes(body[at : at + 4], "little")
            stored = body[at + 4 : at + 4 + word % (1 << 31)]
            at += 4 + len(stored)
            array[k::width] = stored if word >> 31 else zstd.decompress(stored)
        assert len(array) == size
        arrays.append(bytes(array))
    assert at == len(body)
    return arrays


def from_frames(body: bytes) -> Arrays:
    """The arrays of a body of frames."""
    rest = iter(body)

    def count() -> int:
        byte = next(rest)
        return byte if byte < 128 else byte - 128 + 128 * count()

    arrays = []
    for _ in range(next(rest)):
        width, size = next(rest), count()
        assert size <= LIMIT
        array = bytearray(size)
        for k in range(width if size else 0):
            length = count()
            stored = bytes(islice(rest, length or size // width))
            array[k::width] = zstd.decompress(b"\x28\xb5\x2f\xfd" + stored) if length else stored
        arrays.append(bytes(array))
    assert next(rest, None) is None
    return arrays


def from_msgpack(body: bytes) -> Arrays:
    """The arrays of a body of msgpack."""
    pairs = msgpack.unpackb(body)
    assert all(1 <= width <= 255 for width, _ in pairs)
    return [bytes(array) for _, array in pairs]


BODIES = {"planes": from_planes, "frames": from_frames, "msgpack": from_msgpack}


def frame_runs(frame: bytes, parts: int) -> list[bytes]:
    """The literal bytes before each part, and after the last."""
    runs = []
    for _ in range(parts + 1):
        size = int.from_bytes(frame[:8], "little")
        runs.append(frame[8 : 8 + size])
        frame = frame[8 + size :]
    assert not frame
    return runs
