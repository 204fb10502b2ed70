"""Objects of a usual transfer, damaged ones, and how to look at what was moved."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing

from git_theta.store.base import Store
from git_theta.store.memory import MemoryStore
from git_theta.testing.blocks import noise_bytes
from git_theta.transport.base import Outcome

CONTENTS = [b"", b"one", *(noise_bytes(90_000 + seed, seed) for seed in range(6))]
OBJECTS = {hashlib.sha256(content).hexdigest(): content for content in CONTENTS}
"""Objects of a usual transfer, an empty one among them."""
SIZES = {oid: len(content) for oid, content in OBJECTS.items()}
OID = max(OBJECTS, key=SIZES.__getitem__)
CONTENT = OBJECTS[OID]
DAMAGED = {"flipped": CONTENT[::-1], "cut": CONTENT[:-1], "longer": CONTENT + b"more"}
ABSENT = hashlib.sha256(b"on neither side").hexdigest()


def fill_store(store: Store) -> None:
    """Put all of them into a store."""
    for content in CONTENTS:
        store.put([content])


def damage_object(store: Store, oid: str, content: bytes) -> None:
    """Put other bytes in the place of an object of ours."""
    if isinstance(store, MemoryStore):
        store._objects[oid] = content
        return
    file = store.find(oid)
    assert file
    file.chmod(0o644)
    file.write_bytes(content)
    file.chmod(0o444)


def read_contents(store: Store) -> dict[str, bytes]:
    """All that a store has, by object id."""
    found = {}
    for oid in store.oids():
        with closing(store.get(oid)) as stream:
            found[oid] = stream.read()
    return found


def errors_of(outcomes: Iterator[Outcome]) -> dict[str, object]:
    """What went wrong, by object id."""
    return {one.oid: one.error for one in outcomes if one.error}


def close_early(outcomes: Iterator[Outcome]) -> None:
    """End an iteration in the middle, as whoever is interrupted does."""
    close = getattr(outcomes, "close", None)
    if close:
        close()
