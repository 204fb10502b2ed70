"""The laws of ``git_theta.transport.base``."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import ClassVar

import pytest

from git_theta.errors import CorruptObject, MissingObject, StoreError, TransportError
from git_theta.store.base import Store
from git_theta.store.inbox import FOLDER, Inbox
from git_theta.store.local import LocalStore
from git_theta.store.memory import MemoryStore
from git_theta.testing.blocks import noise_bytes
from git_theta.testing.stores import NOT_OIDS
from git_theta.transport.base import Outcome, Transport

CONTENTS = [b"", b"one", *(noise_bytes(90_000 + seed, seed) for seed in range(6))]
OBJECTS = {hashlib.sha256(content).hexdigest(): content for content in CONTENTS}
"""Objects of a usual transfer, an empty one among them."""
SIZES = {oid: len(content) for oid, content in OBJECTS.items()}
OID = max(OBJECTS, key=SIZES.__getitem__)
CONTENT = OBJECTS[OID]
DAMAGED = {"flipped": CONTENT[::-1], "cut": CONTENT[:-1], "longer": CONTENT + b"more"}
ABSENT = hashlib.sha256(b"on neither side").hexdigest()


class TransportLaws(ABC):
    """Derive, and say how to open a transport, and how to look and reach behind its back.

    Every law is tried with a store of ours that keeps files, and with one that keeps none. ``folder`` is a directory
    that stands for one remote, which is made when it is first asked for.

    Attributes:
        moves_empty: whether the remote is given the empty object; it need not be, since everybody knows its bytes.
    """

    moves_empty: ClassVar[bool] = True

    @abstractmethod
    def open_transport(self, folder: Path, ours: Store) -> Transport:
        """A transport between a store of ours and the remote; several may be open at a time."""

    @abstractmethod
    def raw_contents(self, folder: Path) -> Mapping[str, bytes]:
        """Everything that the remote keeps, by object id, read without the transport; leftovers by other keys."""

    @abstractmethod
    def raw_put(self, folder: Path, oid: str, content: bytes) -> None:
        """Put bytes on the remote as that object, whatever they are."""

    @abstractmethod
    def losing(self, folder: Path) -> AbstractContextManager[object]:
        """Whatever is sent to the remote in this block is taken without an error, and not kept."""

    @property
    def objects(self) -> Mapping[str, bytes]:
        """What is moved."""
        return {oid: content for oid, content in OBJECTS.items() if content or self.moves_empty}

    @property
    def others(self) -> Mapping[str, bytes]:
        """The same without OID."""
        return {oid: content for oid, content in self.objects.items() if oid != OID}

    @property
    def sizes(self) -> Mapping[str, int]:
        """Their sizes, in bytes."""
        return {oid: len(content) for oid, content in self.objects.items()}

    @pytest.fixture
    def remote(self, tmp_path: Path) -> Path:
        """The remote under test, empty."""
        folder = tmp_path / "remote"
        folder.mkdir()
        return folder

    @pytest.fixture(params=["local", "memory"])
    def ours(self, request: pytest.FixtureRequest, tmp_path: Path) -> Store:
        """An empty store of ours."""
        return LocalStore(tmp_path / "ours") if request.param == "local" else MemoryStore()

    @pytest.fixture
    def inbox(self, ours: Store, tmp_path: Path) -> Inbox:
        """What fills it."""
        return Inbox(ours, tmp_path / "ours")

    # Push

    def test_push_puts_the_objects_on_the_remote(self, remote: Path, ours: Store) -> None:
        _fill(ours)
        with self.open_transport(remote, ours) as transport:
            assert sorted(transport.lacking(self.sizes)) == sorted(self.objects)
            assert sorted(transport.push(self.sizes)) == sorted(Outcome(oid, size) for oid, size in self.sizes.items())
            assert transport.lacking(self.sizes) == []
        assert self.raw_contents(remote) == self.objects

    def test_push_is_idempotent(self, remote: Path, ours: Store) -> None:
        _fill(ours)
        for moved in (sum(self.sizes.values()), 0):
            with self.open_transport(remote, ours) as transport:
                done = list(transport.push(self.sizes))
            assert (sum(one.size for one in done), [one for one in done if one.error]) == (moved, [])
            assert self.raw_contents(remote) == self.objects

    def test_push_goes_on_after_an_object_that_is_not_here(self, remote: Path, ours: Store) -> None:
        _fill(ours)
        with self.open_transport(remote, ours) as transport:
            errors = _errors_of(transport.push({ABSENT: 5, **self.sizes}))
        assert {oid: type(error) for oid, error in errors.items()} == {ABSENT: MissingObject}
        assert self.raw_contents(remote) == self.objects

    @pytest.mark.parametrize(
        "damaged", [CONTENT[::-1], CONTENT[:-1], CONTENT + b"more"], ids=["flipped", "cut", "more"]
    )
    def test_push_keeps_nothing_of_a_damaged_object(self, remote: Path, ours: Store, damaged: bytes) -> None:
        _fill(ours)
        _damage(ours, OID, damaged)
        with self.open_transport(remote, ours) as transport:
            errors = _errors_of(transport.push(self.sizes))
        assert {oid: type(error) for oid, error in errors.items()} == {OID: CorruptObject}
        assert self.raw_contents(remote) == self.others

    def test_a_wrong_size_is_an_error(self, remote: Path, ours: Store) -> None:
        _fill(ours)
        with self.open_transport(remote, ours) as transport:
            errors = _errors_of(transport.push({OID: len(CONTENT) + 1}))
        assert isinstance(errors[OID], CorruptObject)
        assert self.raw_contents(remote) == {}

    def test_l7_push_looks_whether_it_arrived(self, remote: Path, ours: Store) -> None:
        _fill(ours)
        with self.open_transport(remote, ours) as transport, self.losing(remote):
            errors = _errors_of(transport.push(self.sizes))
        assert {oid: type(error) for oid, error in errors.items()} == dict.fromkeys(self.objects, TransportError)
        with self.open_transport(remote, ours) as transport:
            assert _errors_of(transport.push(self.sizes)) == {}
        assert self.raw_contents(remote) == self.objects

    def test_push_replaces_what_was_cut_off(self, remote: Path, ours: Store) -> None:
        _fill(ours)
        self.raw_put(remote, OID, CONTENT[:1000])
        with self.open_transport(remote, ours) as transport:
            assert transport.lacking({OID: self.sizes[OID]}) == [OID]
            assert list(transport.push({OID: self.sizes[OID]})) == [Outcome(OID, self.sizes[OID])]
        assert self.raw_contents(remote)[OID] == CONTENT

    def test_what_is_damaged_there_can_be_replaced_where_the_transport_says_so(self, remote: Path, ours: Store) -> None:
        _fill(ours)
        self.raw_put(remote, OID, CONTENT[::-1])
        with self.open_transport(remote, ours) as transport:
            if transport.clear_damaged(OID):
                assert transport.lacking({OID: SIZES[OID]}) == [OID]
                assert list(transport.push({OID: SIZES[OID]})) == [Outcome(OID, SIZES[OID])]
                assert self.raw_contents(remote)[OID] == CONTENT

    def test_an_interrupted_push_leaves_nothing_half(self, remote: Path, ours: Store) -> None:
        _fill(ours)
        with self.open_transport(remote, ours) as transport:
            outcomes = transport.push(self.sizes)
            first = next(outcomes)
            _close(outcomes)
        there = self.raw_contents(remote)
        assert first.oid in there
        assert there.items() <= self.objects.items()
        with self.open_transport(remote, ours) as transport:
            assert _errors_of(transport.push(self.sizes)) == {}
        assert self.raw_contents(remote) == self.objects

    def test_clients_may_push_at_the_same_time(self, remote: Path, ours: Store) -> None:
        _fill(ours)

        def push(number: int) -> Mapping[str, object]:
            with self.open_transport(remote, ours) as transport:
                return _errors_of(transport.push(self.sizes if number % 2 else dict(reversed([*self.sizes.items()]))))

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(push, range(6))) == [{}] * 6
        assert self.raw_contents(remote) == self.objects

    # Fetch

    def test_fetch_brings_the_objects(self, remote: Path, ours: Store, inbox: Inbox, tmp_path: Path) -> None:
        self._fill_remote(remote)
        with self.open_transport(remote, ours) as transport:
            done = list(transport.fetch(self.sizes, inbox))
        assert sorted(done) == sorted(Outcome(oid, size) for oid, size in self.sizes.items())
        assert _contents_of(ours) == self.objects
        assert _partials_in(tmp_path) == []

    def test_fetch_is_idempotent(self, remote: Path, ours: Store, inbox: Inbox) -> None:
        self._fill_remote(remote)
        for moved in (sum(self.sizes.values()), 0):
            with self.open_transport(remote, ours) as transport:
                done = list(transport.fetch(self.sizes, inbox))
            assert (sum(one.size for one in done), [one for one in done if one.error]) == (moved, [])
            assert _contents_of(ours) == self.objects

    def test_fetch_goes_on_after_an_object_that_is_not_there(self, remote: Path, ours: Store, inbox: Inbox) -> None:
        self._fill_remote(remote)
        with self.open_transport(remote, ours) as transport:
            errors = _errors_of(transport.fetch({ABSENT: 5, **self.sizes}, inbox))
        assert {oid: type(error) for oid, error in errors.items()} == {ABSENT: MissingObject}
        assert _contents_of(ours) == self.objects

    @pytest.mark.parametrize(
        "damaged", [CONTENT[::-1], CONTENT[:-1], CONTENT + b"more"], ids=["flipped", "cut", "more"]
    )
    def test_fetch_keeps_nothing_of_a_damaged_object(
        self, remote: Path, ours: Store, inbox: Inbox, tmp_path: Path, damaged: bytes
    ) -> None:
        self._fill_remote(remote, {OID: damaged})
        for _ in range(2):
            with self.open_transport(remote, ours) as transport:
                errors = _errors_of(transport.fetch(self.sizes, inbox))
            assert {oid: type(error) for oid, error in errors.items()} == {OID: CorruptObject}
            assert _contents_of(ours) == self.others
            assert _partials_in(tmp_path) == []

    def test_fetch_of_a_wrong_size_is_an_error(self, remote: Path, ours: Store, inbox: Inbox) -> None:
        self._fill_remote(remote)
        for wrong in (len(CONTENT) - 1, len(CONTENT) + 1, 0):
            with self.open_transport(remote, ours) as transport:
                errors = _errors_of(transport.fetch({OID: wrong}, inbox))
            assert isinstance(errors[OID], CorruptObject)
        assert _contents_of(ours) == {}

    def test_an_interrupted_fetch_leaves_nothing_half(self, remote: Path, ours: Store, inbox: Inbox) -> None:
        self._fill_remote(remote)
        with self.open_transport(remote, ours) as transport:
            outcomes = transport.fetch(self.sizes, inbox)
            first = next(outcomes)
            _close(outcomes)
        here = _contents_of(ours)
        assert first.oid in here
        assert here.items() <= self.objects.items()
        with self.open_transport(remote, ours) as transport:
            assert _errors_of(transport.fetch(self.sizes, inbox)) == {}
        assert _contents_of(ours) == self.objects

    @pytest.mark.parametrize("earlier", [CONTENT[:1000], b"somebody else's bytes"], ids=["begun", "wrong"])
    def test_what_an_earlier_try_left_is_used_or_dropped(
        self, remote: Path, ours: Store, inbox: Inbox, tmp_path: Path, earlier: bytes
    ) -> None:
        self._fill_remote(remote)

        def breaking(_: int) -> Iterator[bytes]:
            yield earlier
            raise TransportError("the line is cut")

        with pytest.raises(TransportError, match="cut"):
            inbox.fill(OID, len(CONTENT), breaking)
        assert not ours.has(OID)
        with self.open_transport(remote, ours) as transport:
            assert _errors_of(transport.fetch(self.sizes, inbox)) == {}
        assert _contents_of(ours) == self.objects
        assert _partials_in(tmp_path) == []

    def test_clients_may_fetch_at_the_same_time(self, remote: Path, ours: Store, tmp_path: Path) -> None:
        self._fill_remote(remote)

        def fetch(_: int) -> Mapping[str, object]:
            with self.open_transport(remote, ours) as transport:
                return _errors_of(transport.fetch(self.sizes, Inbox(ours, tmp_path / "ours")))

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(fetch, range(6))) == [{}] * 6
        assert _contents_of(ours) == self.objects
        assert _partials_in(tmp_path) == []

    # Both

    def test_nothing_asked_for_is_nothing_done(self, remote: Path, ours: Store, inbox: Inbox) -> None:
        with self.open_transport(remote, ours) as transport:
            assert (transport.lacking({}), list(transport.push({})), list(transport.fetch({}, inbox))) == ([], [], [])

    @pytest.mark.parametrize("text", NOT_OIDS, ids=ascii)
    def test_an_id_is_checked_before_it_is_used(self, remote: Path, ours: Store, inbox: Inbox, text: str) -> None:
        with self.open_transport(remote, ours) as transport:
            for ask in (transport.lacking, transport.push, lambda objects: transport.fetch(objects, inbox)):
                with pytest.raises(StoreError, match="not an object id"):
                    list(ask({text: 3}))

    def _fill_remote(self, remote: Path, instead: Mapping[str, bytes] | None = None) -> None:
        for oid, content in {**self.objects, **(instead or {})}.items():
            self.raw_put(remote, oid, content)


def _fill(store: Store) -> None:
    for content in CONTENTS:
        store.put([content])


def _damage(store: Store, oid: str, content: bytes) -> None:
    """Put other bytes in the place of an object of ours."""
    if isinstance(store, MemoryStore):
        store._objects[oid] = content
        return
    file = store.find(oid)
    assert file
    file.chmod(0o644)
    file.write_bytes(content)
    file.chmod(0o444)


def _contents_of(store: Store) -> dict[str, bytes]:
    found = {}
    for oid in store.oids():
        with closing(store.get(oid)) as stream:
            found[oid] = stream.read()
    return found


def _partials_in(folder: Path) -> list[Path]:
    return list((folder / "ours" / FOLDER).glob("*"))


def _errors_of(outcomes: Iterator[Outcome]) -> dict[str, object]:
    return {one.oid: one.error for one in outcomes if one.error}


def _close(outcomes: Iterator[Outcome]) -> None:
    """End an iteration in the middle, as whoever is interrupted does."""
    close = getattr(outcomes, "close", None)
    if close:
        close()
