"""The directory transport runs the kit: onto stores of files, linked and copied, and onto stores without any."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from git_theta.errors import MissingObject, TransportError
from git_theta.store import local
from git_theta.store.base import Store
from git_theta.store.inbox import Inbox
from git_theta.store.local import LocalStore
from git_theta.store.memory import MemoryStore
from git_theta.testing.transfers import CONTENT, OBJECTS, OID, SIZES
from git_theta.testing.transports import TransportLaws
from git_theta.transport.base import Transport
from git_theta.transport.directory import DirectoryTransport


def place(folder: Path, oid: str) -> Path:
    return folder / "objects" / oid[:2] / oid[2:4] / oid


class TestOntoFiles(TransportLaws):
    def open_transport(self, folder: Path, ours: Store) -> Transport:
        return DirectoryTransport(ours, LocalStore(folder))

    def raw_contents(self, folder: Path) -> Mapping[str, bytes]:
        return {
            path.name: path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and "damaged" not in path.parts  # where the store moves what it replaces
        }

    def raw_put(self, folder: Path, oid: str, content: bytes) -> None:
        file = place(folder, oid)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o444)

    @contextmanager
    def losing(self, folder: Path) -> Iterator[None]:
        """What is renamed into the remote's objects is not there: a disk that lies, or a sync client that took it."""
        real = Path.rename

        def lose(path: Path, target: Path) -> None:
            moved = real(path, target)
            if folder in moved.parents:
                moved.unlink()

        with mock.patch.object(Path, "rename", lose):
            yield


class TestOntoFilesThatCannotBeLinked(TestOntoFiles):
    @pytest.fixture(autouse=True)
    def without_links(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(local, "clone_file", lambda *_: False)

        def refuse(*_: object, **__: object) -> None:
            raise OSError(errno.EXDEV, "another file system")

        monkeypatch.setattr(os, "link", refuse)


class TestOntoAStoreWithoutFiles(TransportLaws):
    def open_transport(self, folder: Path, ours: Store) -> Transport:
        return DirectoryTransport(ours, MemoryStore.open(folder))

    def raw_contents(self, folder: Path) -> Mapping[str, bytes]:
        return dict(MemoryStore.open(folder)._objects)

    def raw_put(self, folder: Path, oid: str, content: bytes) -> None:
        MemoryStore.open(folder)._objects[oid] = content

    @contextmanager
    def losing(self, folder: Path) -> Iterator[None]:
        class Lost(dict[str, bytes]):
            def setdefault(self, key: str, default: bytes = b"", /) -> bytes:
                return default

        with mock.patch.object(MemoryStore.open(folder), "_objects", Lost()):
            yield


def test_objects_are_linked_where_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "clone_file", lambda *_: False)
    ours = LocalStore(tmp_path / "ours")
    ours.put([CONTENT])
    with DirectoryTransport(ours, LocalStore(tmp_path / "theirs")) as transport:
        list(transport.push({OID: len(CONTENT)}))
    assert place(tmp_path / "ours", OID).samefile(place(tmp_path / "theirs", OID))


def test_a_file_that_somebody_may_write_to_is_copied(tmp_path: Path) -> None:
    """git-lfs leaves its files writable: linked, they would change under us."""
    theirs = place(tmp_path / "theirs", OID)
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(CONTENT)
    ours = LocalStore(tmp_path / "ours")
    with DirectoryTransport(ours, LocalStore(tmp_path / "theirs")) as transport:
        assert [one.error for one in transport.fetch({OID: len(CONTENT)}, Inbox(ours, ours.root))] == [None]
    theirs.write_bytes(CONTENT[::-1])
    assert place(ours.root, OID).read_bytes() == CONTENT


def test_what_cannot_be_read_there_is_an_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = LocalStore(tmp_path / "ours"), LocalStore(tmp_path / "theirs")
    for content in OBJECTS.values():
        theirs.put([content])
    bad = place(theirs.root, OID)
    real = Path.open

    def fail(path: Path, *words: Any) -> Any:
        if path == bad:
            raise OSError(errno.EIO, "Input/output error")
        return real(path, *words)

    monkeypatch.setattr(Path, "open", fail)
    with DirectoryTransport(ours, theirs) as transport:
        failed = [one for one in transport.fetch(SIZES, Inbox(ours, ours.root)) if one.error]
    assert [(one.oid, type(one.error)) for one in failed] == [(OID, TransportError)]
    assert "Input/output error" in str(failed[0].error)
    assert sorted(ours.oids()) == sorted(OBJECTS.keys() - {OID})


@pytest.mark.parametrize("verb", ["fetch", "push"])
def test_a_place_that_the_disk_fails_at_is_an_outcome(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = LocalStore(tmp_path / "ours"), LocalStore(tmp_path / "theirs")
    for content in OBJECTS.values():
        (theirs if verb == "fetch" else ours).put([content])
    bad = place(theirs.root, OID)
    real = Path.stat

    def fail(path: Path, **words: Any) -> Any:
        if path == bad:
            raise OSError(errno.EIO, "Input/output error")
        return real(path, **words)

    monkeypatch.setattr(Path, "stat", fail)
    with DirectoryTransport(ours, theirs) as transport:
        done = transport.push(SIZES) if verb == "push" else transport.fetch(SIZES, Inbox(ours, ours.root))
        errors = {one.oid: one.error for one in done if one.error is not None}
    assert {oid: type(error) for oid, error in errors.items()} == {OID: TransportError}
    assert "Input/output error" in str(errors[OID])


@pytest.mark.parametrize("outcomes", [1, len(OBJECTS)], ids=["interrupted", "whole"])
def test_l5_what_was_pushed_is_durable(outcomes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remote's folders are synced before Git hears that the push may go on, or that it was given up."""
    ours, theirs = LocalStore(tmp_path / "ours"), LocalStore(tmp_path / "theirs")
    for content in OBJECTS.values():
        ours.put([content])
    synced: set[tuple[int, int]] = set()
    real = os.fsync

    def watch(descriptor: int) -> None:
        synced.add((os.fstat(descriptor).st_dev, os.fstat(descriptor).st_ino))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    with DirectoryTransport(ours, theirs) as transport:
        pushing = transport.push(SIZES)
        done = [one.oid for one in islice(pushing, outcomes)]
        del pushing
    folders = {folder.stat() for oid in done for folder in list(place(theirs.root, oid).parents)[:3]}
    assert len(done) == outcomes
    assert {(folder.st_dev, folder.st_ino) for folder in folders} <= synced


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    absent = hashlib.sha256(b"never put").hexdigest()
    ours = LocalStore(tmp_path / "ours")
    with DirectoryTransport(ours, LocalStore(tmp_path / "theirs")) as transport:
        (outcome,) = transport.fetch({absent: 9}, Inbox(ours, ours.root))
    assert isinstance(outcome.error, MissingObject) and "git theta push" in outcome.error.hint


def test_what_is_damaged_there_is_moved_aside_and_what_is_whole_stays(tmp_path: Path) -> None:
    laws = TestOntoFiles()
    laws.raw_put(tmp_path, OID, CONTENT[::-1])
    transport = laws.open_transport(tmp_path, MemoryStore())
    assert transport.clear_damaged(OID)
    assert [file.read_bytes() for file in (tmp_path / "damaged").iterdir()] == [CONTENT[::-1]]
    laws.raw_put(tmp_path, OID, CONTENT)
    assert not transport.clear_damaged(OID)
    assert laws.raw_contents(tmp_path) == {OID: CONTENT}
