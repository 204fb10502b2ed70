"""Objects to a remote: all of them, whole, and no damaged one."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from git_theta.errors import CorruptObject, MissingObject, TransportError
from git_theta.store.base import Store
from git_theta.testing.transfers import (
    ABSENT,
    CONTENT,
    DAMAGED,
    OID,
    SIZES,
    close_early,
    damage_object,
    errors_of,
    fill_store,
)
from git_theta.testing.transport_hooks import TransportHooks
from git_theta.transport.base import Outcome


class PushLaws(TransportHooks):
    """What is pushed is there, or an error tells that it is not."""

    def test_push_puts_the_objects_on_the_remote(self, remote: Path, ours: Store) -> None:
        fill_store(ours)
        with self.open_transport(remote, ours) as transport:
            assert transport.lacking(self.sizes) == list(self.sizes)
            backwards = dict(list(self.sizes.items())[::-1])
            assert transport.lacking(backwards) == list(backwards)
            assert sorted(transport.push(self.sizes)) == sorted(Outcome(oid, size) for oid, size in self.sizes.items())
            assert transport.lacking(self.sizes) == []
        assert self.raw_contents(remote) == self.objects

    def test_push_is_idempotent(self, remote: Path, ours: Store) -> None:
        fill_store(ours)
        for moved in (sum(self.sizes.values()), 0):
            with self.open_transport(remote, ours) as transport:
                done = list(transport.push(self.sizes))
            assert (sum(one.size for one in done), [one for one in done if one.error]) == (moved, [])
            assert self.raw_contents(remote) == self.objects

    def test_push_goes_on_after_an_object_that_is_not_here(self, remote: Path, ours: Store) -> None:
        fill_store(ours)
        with self.open_transport(remote, ours) as transport:
            errors = errors_of(transport.push({ABSENT: 5, **self.sizes}))
        assert {oid: type(error) for oid, error in errors.items()} == {ABSENT: MissingObject}
        assert self.raw_contents(remote) == self.objects

    @pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
    def test_push_keeps_nothing_of_a_damaged_object(self, remote: Path, ours: Store, damaged: bytes) -> None:
        fill_store(ours)
        damage_object(ours, OID, damaged)
        with self.open_transport(remote, ours) as transport:
            errors = errors_of(transport.push(self.sizes))
        assert {oid: type(error) for oid, error in errors.items()} == {OID: CorruptObject}
        assert self.raw_contents(remote) == self.others

    def test_a_wrong_size_is_an_error(self, remote: Path, ours: Store) -> None:
        fill_store(ours)
        with self.open_transport(remote, ours) as transport:
            errors = errors_of(transport.push({OID: len(CONTENT) + 1}))
        assert isinstance(errors[OID], CorruptObject)
        assert self.raw_contents(remote) == {}

    def test_l7_push_looks_whether_it_arrived(self, remote: Path, ours: Store) -> None:
        fill_store(ours)
        with self.open_transport(remote, ours) as transport, self.losing(remote):
            errors = errors_of(transport.push(self.sizes))
        assert {oid: type(error) for oid, error in errors.items()} == dict.fromkeys(self.objects, TransportError)
        with self.open_transport(remote, ours) as transport:
            assert errors_of(transport.push(self.sizes)) == {}
        assert self.raw_contents(remote) == self.objects

    def test_push_replaces_what_was_cut_off(self, remote: Path, ours: Store) -> None:
        fill_store(ours)
        self.raw_put(remote, OID, CONTENT[:1000])
        with self.open_transport(remote, ours) as transport:
            assert transport.lacking({OID: self.sizes[OID]}) == [OID]
            assert list(transport.push({OID: self.sizes[OID]})) == [Outcome(OID, self.sizes[OID])]
        assert self.raw_contents(remote)[OID] == CONTENT

    def test_what_is_damaged_there_can_be_replaced_where_the_transport_says_so(self, remote: Path, ours: Store) -> None:
        fill_store(ours)
        self.raw_put(remote, OID, CONTENT[::-1])
        with self.open_transport(remote, ours) as transport:
            if transport.clear_damaged(OID):
                assert transport.lacking({OID: SIZES[OID]}) == [OID]
                assert list(transport.push({OID: SIZES[OID]})) == [Outcome(OID, SIZES[OID])]
                assert self.raw_contents(remote)[OID] == CONTENT

    def test_an_interrupted_push_leaves_nothing_half(self, remote: Path, ours: Store) -> None:
        fill_store(ours)
        with self.open_transport(remote, ours) as transport:
            outcomes = transport.push(self.sizes)
            first = next(outcomes)
            close_early(outcomes)
        there = self.raw_contents(remote)
        assert first.oid in there
        assert there.items() <= self.objects.items()
        with self.open_transport(remote, ours) as transport:
            assert errors_of(transport.push(self.sizes)) == {}
        assert self.raw_contents(remote) == self.objects

    def test_clients_may_push_at_the_same_time(self, remote: Path, ours: Store) -> None:
        fill_store(ours)

        def push(number: int) -> Mapping[str, object]:
            with self.open_transport(remote, ours) as transport:
                return errors_of(transport.push(self.sizes if number % 2 else dict(reversed([*self.sizes.items()]))))

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(push, range(6))) == [{}] * 6
        assert self.raw_contents(remote) == self.objects
