"""Objects from a remote: all of them, whole, and no damaged one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from git_theta.errors import CorruptObject, MissingObject, TransportError
from git_theta.store.base import Buffer, Store
from git_theta.store.inbox import FOLDER, Inbox, ReadFrom
from git_theta.testing.transfers import ABSENT, CONTENT, DAMAGED, OID, close_early, errors_of, read_contents
from git_theta.testing.transport_hooks import TransportHooks
from git_theta.transport.base import Outcome


class _WatchingInbox(Inbox):
    """Holds whoever fills it to what it asks for: the bytes from an offset on."""

    def fill(self, oid: str, size: int, read_from: ReadFrom) -> None:
        def read_watched(offset: int) -> Iterator[Buffer]:
            at = offset
            for piece in read_from(offset):
                assert bytes(piece) == CONTENT[at : at + len(piece)], f"asked for bytes from {offset} on"
                at += len(piece)
                yield piece

        super().fill(oid, size, read_watched)


class FetchLaws(TransportHooks):
    """What is fetched is here, or an error tells that it is not."""

    def test_fetch_brings_the_objects(self, remote: Path, ours: Store, inbox: Inbox, tmp_path: Path) -> None:
        self._fill_remote(remote)
        with self.open_transport(remote, ours) as transport:
            done = list(transport.fetch(self.sizes, inbox))
        assert sorted(done) == sorted(Outcome(oid, size) for oid, size in self.sizes.items())
        assert read_contents(ours) == self.objects
        assert _partials_in(tmp_path) == []

    def test_fetch_is_idempotent(self, remote: Path, ours: Store, inbox: Inbox) -> None:
        self._fill_remote(remote)
        for moved in (sum(self.sizes.values()), 0):
            with self.open_transport(remote, ours) as transport:
                done = list(transport.fetch(self.sizes, inbox))
            assert (sum(one.size for one in done), [one for one in done if one.error]) == (moved, [])
            assert read_contents(ours) == self.objects

    def test_fetch_goes_on_after_an_object_that_is_not_there(self, remote: Path, ours: Store, inbox: Inbox) -> None:
        self._fill_remote(remote)
        with self.open_transport(remote, ours) as transport:
            errors = errors_of(transport.fetch({ABSENT: 5, **self.sizes}, inbox))
        assert {oid: type(error) for oid, error in errors.items()} == {ABSENT: MissingObject}
        assert read_contents(ours) == self.objects

    @pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
    def test_fetch_keeps_nothing_of_a_damaged_object(
        self, remote: Path, ours: Store, inbox: Inbox, tmp_path: Path, damaged: bytes
    ) -> None:
        self._fill_remote(remote, {OID: damaged})
        for _ in range(2):
            with self.open_transport(remote, ours) as transport:
                errors = errors_of(transport.fetch(self.sizes, inbox))
            assert {oid: type(error) for oid, error in errors.items()} == {OID: CorruptObject}
            assert read_contents(ours) == self.others
            assert _partials_in(tmp_path) == []

    def test_fetch_of_a_wrong_size_is_an_error(self, remote: Path, ours: Store, inbox: Inbox) -> None:
        self._fill_remote(remote)
        for wrong in (len(CONTENT) - 1, len(CONTENT) + 1, 0):
            with self.open_transport(remote, ours) as transport:
                errors = errors_of(transport.fetch({OID: wrong}, inbox))
            assert isinstance(errors[OID], CorruptObject)
        assert read_contents(ours) == {}

    def test_an_interrupted_fetch_leaves_nothing_half(self, remote: Path, ours: Store, inbox: Inbox) -> None:
        self._fill_remote(remote)
        with self.open_transport(remote, ours) as transport:
            outcomes = transport.fetch(self.sizes, inbox)
            first = next(outcomes)
            close_early(outcomes)
        here = read_contents(ours)
        assert first.oid in here
        assert here.items() <= self.objects.items()
        with self.open_transport(remote, ours) as transport:
            assert errors_of(transport.fetch(self.sizes, inbox)) == {}
        assert read_contents(ours) == self.objects

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
            assert errors_of(transport.fetch(self.sizes, inbox)) == {}
        assert read_contents(ours) == self.objects
        assert _partials_in(tmp_path) == []

    def test_what_an_earlier_try_left_is_not_sent_again(self, remote: Path, ours: Store, tmp_path: Path) -> None:
        """By whoever brings objects in pieces; who brings whole files asks the inbox for none."""
        self._fill_remote(remote)
        inbox = _WatchingInbox(ours, tmp_path / "ours")
        with pytest.raises(TransportError, match="ended after 1000"):
            inbox.fill(OID, len(CONTENT), lambda _: [CONTENT[:1000]])
        with self.open_transport(remote, ours) as transport:
            assert errors_of(transport.fetch({OID: len(CONTENT)}, inbox)) == {}
        assert read_contents(ours) == {OID: CONTENT}

    def test_clients_may_fetch_at_the_same_time(self, remote: Path, ours: Store, tmp_path: Path) -> None:
        self._fill_remote(remote)

        def fetch(_: int) -> Mapping[str, object]:
            with self.open_transport(remote, ours) as transport:
                return errors_of(transport.fetch(self.sizes, Inbox(ours, tmp_path / "ours")))

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(fetch, range(6))) == [{}] * 6
        assert read_contents(ours) == self.objects
        assert _partials_in(tmp_path) == []


def _partials_in(folder: Path) -> list[Path]:
    return list((folder / "ours" / FOLDER).glob("*"))
