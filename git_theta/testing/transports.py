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

    @pytest.mark.parametrize("text", NOT_OIDS, ids=ascii)
    def test_an_id_is_checked_before_it_is_used(self, remote: Path, ours: Store, inbox: Inbox, text: str) -> None:
        with self.open_transport(remote, ours) as transport:
            for ask in (transport.lacking, transport.push, lambda objects: transport.fetch(objects, inbox)):
                with pytest.raises(StoreError, match="not an object id"):
                    list(ask({text: 3}))
