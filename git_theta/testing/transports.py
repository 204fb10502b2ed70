"""The laws of ``git_theta.transport.base``."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_theta.errors import StoreError
from git_theta.store.base import Store
from git_theta.store.inbox import Inbox
from git_theta.testing.stores import NOT_OIDS
from git_theta.testing.transport_fetch import FetchLaws
from git_theta.testing.transport_push import PushLaws


class TransportLaws(PushLaws, FetchLaws):
    """Derive, and fill in :class:`TransportHooks`: how to open a transport, and how to look and reach behind its back.

    Every law is tried with a store of ours that keeps files, and with one that keeps none.
    """

    def test_nothing_asked_for_is_nothing_done(self, remote: Path, ours: Store, inbox: Inbox) -> None:
        with self.open_transport(remote, ours) as transport:
            assert (transport.lacking({}), list(transport.push({})), list(transport.fetch({}, inbox))) == ([], [], [])

    def test_what_it_lists_is_there_and_what_it_drops_is_gone(self, remote: Path, ours: Store) -> None:
        self._fill_remote(remote)
        dropped = dict.fromkeys([*self.objects][::2])
        left = {oid: size for oid, size in self.sizes.items() if oid not in dropped}
        with self.open_transport(remote, ours) as transport:
            if not transport.drops_objects:
                pytest.skip("it lets nobody drop objects")
            assert sorted((one.oid, one.size) for one in transport.list_held()) == sorted(self.sizes.items())
            transport.drop_objects([*dropped])
            assert sorted((one.oid, one.size) for one in transport.list_held()) == sorted(left.items())
            assert transport.lacking(self.sizes) == [*dropped]
            transport.drop_objects([*dropped])
        assert self.raw_contents(remote) == {oid: self.objects[oid] for oid in left}

    @pytest.mark.parametrize("text", NOT_OIDS, ids=ascii)
    def test_an_id_is_checked_before_it_is_used(self, remote: Path, ours: Store, inbox: Inbox, text: str) -> None:
        with self.open_transport(remote, ours) as transport:
            for ask in (transport.lacking, transport.push, lambda objects: transport.fetch(objects, inbox)):
                with pytest.raises(StoreError, match="not an object id"):
                    list(ask({text: 3}))
