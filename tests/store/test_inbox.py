"""What is still arriving: resumed by offset, verified before it is an object, swept when nobody comes back."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_theta.errors import CorruptObject, StoreError, TransportError
from git_theta.store.inbox import Inbox
from git_theta.store.local import LocalStore
from git_theta.testing.blocks import noise_bytes

CONTENT = noise_bytes(300_000, 1)
OID = hashlib.sha256(CONTENT).hexdigest()


class Source:
    """A remote that sends an object, or breaks off in the middle."""

    def __init__(self, content: bytes, stop: int | None = None) -> None:
        self.content = content
        self.stop = stop
        self.offsets: list[int] = []

    def __call__(self, offset: int) -> Iterator[bytes]:
        self.offsets.append(offset)
        end = len(self.content) if self.stop is None else self.stop
        for start in range(offset, end, 4096):
            yield self.content[start : min(start + 4096, end)]
        if self.stop is not None:
            raise TransportError("the line is cut")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "theta")


@pytest.fixture
def inbox(store: LocalStore) -> Inbox:
    return Inbox(store, store.root)


def partials(store: LocalStore) -> list[str]:
    return sorted(path.name for path in (store.root / "incoming").glob("*"))


def cut(inbox: Inbox, at: int) -> None:
    with pytest.raises(TransportError, match="cut"):
        inbox.fill(OID, len(CONTENT), Source(CONTENT, stop=at))


def test_an_object_arrives(store: LocalStore, inbox: Inbox) -> None:
    inbox.fill(OID, len(CONTENT), Source(CONTENT))
    with store.get(OID) as file:
        assert file.read() == CONTENT
    file_mode = store.find(OID)
    assert file_mode and file_mode.stat().st_mode & 0o777 == 0o444 and file_mode.stat().st_nlink == 1
    assert partials(store) == []


def test_what_was_cut_goes_on_where_it_ended(store: LocalStore, inbox: Inbox) -> None:
    cut(inbox, 100_000)
    assert (partials(store), store.has(OID)) == ([OID], False)
    cut(Inbox(store, store.root), 200_000)  # as another process would
    source = Source(CONTENT)
    inbox.fill(OID, len(CONTENT), source)
    assert (source.offsets, store.size(OID), partials(store)) == ([200_000], len(CONTENT), [])


def test_what_came_before_is_not_trusted(store: LocalStore, inbox: Inbox) -> None:
    with pytest.raises(TransportError):
        inbox.fill(OID, len(CONTENT), Source(bytes(len(CONTENT)), stop=5000))
    source = Source(CONTENT)
    inbox.fill(OID, len(CONTENT), source)
    assert (source.offsets, store.size(OID)) == ([5000, 0], len(CONTENT))


@pytest.mark.parametrize("content", [CONTENT[::-1], CONTENT + b"more"], ids=["flipped", "more"])
def test_what_is_not_the_object_is_not_kept(store: LocalStore, inbox: Inbox, content: bytes) -> None:
    with pytest.raises(CorruptObject, match=OID):
        inbox.fill(OID, len(CONTENT), Source(content))
    assert (list(store.oids()), partials(store)) == ([], [])


def test_what_ends_early_stays_for_the_next_try(store: LocalStore, inbox: Inbox) -> None:
    with pytest.raises(TransportError, match=f"ended after 1000 of {len(CONTENT)} bytes"):
        inbox.fill(OID, len(CONTENT), Source(CONTENT[:1000]))
    source = Source(CONTENT)
    inbox.fill(OID, len(CONTENT), source)
    assert source.offsets == [1000]


def test_a_partial_file_that_is_the_object_already_is_not_written_to(store: LocalStore, inbox: Inbox) -> None:
    """A process that was killed between its link and its unlink: to write there would change the object."""
    store.put([CONTENT])
    file = store.find(OID)
    assert file
    (store.root / "incoming").mkdir()
    os.link(file, store.root / "incoming" / OID)
    with pytest.raises(CorruptObject):
        inbox.fill(OID, len(CONTENT) + 5, Source(bytes(len(CONTENT) + 5)))
    assert file.read_bytes() == CONTENT


def test_two_processes_receive_the_same_object(store: LocalStore, inbox: Inbox) -> None:
    script = (
        "import sys; from pathlib import Path; from git_theta.store.inbox import Inbox;"
        "from git_theta.store.local import LocalStore; root = Path(sys.argv[1]);"
        f"Inbox(LocalStore(root), root).fill('{OID}', {len(CONTENT)}, lambda at: [Path(sys.argv[2]).read_bytes()[at:]])"
    )
    (store.root / "incoming").mkdir(parents=True)
    whole = store.root / "whole"
    whole.write_bytes(CONTENT)

    def meanwhile(offset: int) -> Iterator[bytes]:
        yield CONTENT[offset : offset + 1000]
        subprocess.run([sys.executable, "-c", script, store.root, whole], check=True)
        yield CONTENT[offset + 1000 :]

    inbox.fill(OID, len(CONTENT), meanwhile)
    assert (list(store.oids()), partials(store)) == ([OID], [])


def test_what_nobody_came_back_for_is_swept(store: LocalStore, inbox: Inbox) -> None:
    folder = store.root / "incoming"
    folder.mkdir(parents=True)
    other = hashlib.sha256(b"other").hexdigest()
    for name, days in ((OID, 8), (other, 6)):
        (folder / name).write_bytes(b"half")
        then = time.time() - days * 24 * 3600
        os.utime(folder / name, (then, then))
    inbox.fill(hashlib.sha256(b"x").hexdigest(), 1, lambda _: [b"x"])
    assert partials(store) == [other]


def test_a_link_in_the_inbox_is_not_followed(store: LocalStore, inbox: Inbox, tmp_path: Path) -> None:
    (store.root / "incoming").mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (store.root / "incoming" / OID).symlink_to(victim)
    with pytest.raises(StoreError):
        inbox.fill(OID, len(CONTENT), Source(CONTENT))
    assert victim.read_bytes() == b"mine"


def test_an_id_is_checked_before_it_is_a_path(inbox: Inbox) -> None:
    with pytest.raises(StoreError, match="not an object id"):
        inbox.fill("../" * 9 + "etc/passwd", 3, lambda _: [b"abc"])


def test_what_somebody_else_has_of_an_object_is_kept_and_lent(inbox: Inbox, store: LocalStore, tmp_path: Path) -> None:
    place, partial = tmp_path / "place", store.root / "incoming" / OID
    assert not inbox.lend_partial(OID, place)
    for size, kept in ((1000, 1000), (2000, 2000), (500, 2000), (0, 2000)):
        (tmp_path / "file").write_bytes(CONTENT[:size])
        inbox.keep_partial(tmp_path / "file", OID)
        assert partial.read_bytes() == CONTENT[:kept]
    assert inbox.lend_partial(OID, place)
    assert place.read_bytes() == CONTENT[:2000]
    assert not partial.exists()
    inbox.keep_partial(place, OID)
    source = Source(CONTENT)
    inbox.fill(OID, len(CONTENT), source)
    assert source.offsets == [2000]


def test_nobody_is_lent_what_another_process_is_at(inbox: Inbox, store: LocalStore, tmp_path: Path) -> None:
    def receive(offset: int) -> Iterator[bytes]:
        yield CONTENT[:1000]
        other = Inbox(store, store.root)
        assert not other.lend_partial(OID, tmp_path / "place")
        (tmp_path / "file").write_bytes(CONTENT[:2000])
        other.keep_partial(tmp_path / "file", OID)
        assert [file.name for file in (store.root / "incoming").iterdir()] == [OID]
        yield CONTENT[1000:]

    inbox.fill(OID, len(CONTENT), receive)
    assert store.has(OID)
