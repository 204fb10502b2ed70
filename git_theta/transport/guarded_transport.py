"""A transport that is registered by a name, ours or a plug-in's: guarded at each call, its answers looked at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from git_theta.errors import ThetaError, TransportError
from git_theta.store.base import Store
from git_theta.store.inbox import Inbox
from git_theta.transport.base import TRANSPORTS, HeldObject, Outcome, Transport, TransportSetup
from git_theta.transport.urls import url_scheme


def open_guarded(setup: TransportSetup, ours: Store) -> Transport:
    """The transport that is called by the scheme of a URL, opened; what it is asked for is guarded.

    Raises PluginError where no such is installed, or it cannot be used; TransportError where it refuses the URL.
    """
    scheme = url_scheme(setup.url)
    chosen = TRANSPORTS.load_plugin(scheme)
    with TRANSPORTS.guard(scheme):
        return GuardedTransport(scheme, chosen.open_url(setup, ours))


class GuardedTransport(Transport):
    """What a plug-in does wrong is its PluginError; what it says of objects is one outcome each, of those asked for."""

    def __init__(self, scheme: str, inner: Transport) -> None:
        if not isinstance(inner, Transport):
            raise TRANSPORTS.reject_answer(scheme, f"opened {inner!r}, which is no transport")
        self._scheme = scheme
        self._inner = inner
        self.needs_pointers = inner.needs_pointers
        self.drops_objects = inner.drops_objects
        self.is_shared = inner.is_shared

    @property
    def unverified(self) -> str:  # type: ignore[override]  # which is a plain attribute elsewhere
        return self._inner.unverified

    @property
    def clears_damaged(self) -> bool:
        return self._inner.clears_damaged

    def lacking(self, objects: Mapping[str, int]) -> list[str]:
        with TRANSPORTS.guard(self._scheme):
            lacked = set(self._inner.lacking(objects))
        self._require_asked(lacked, objects)
        return [oid for oid in objects if oid in lacked]

    def explain_lack(self, oid: str) -> ThetaError:
        with TRANSPORTS.guard(self._scheme):
            return self._inner.explain_lack(oid)

    def fetch(self, objects: Mapping[str, int], inbox: Inbox) -> Iterator[Outcome]:
        yield from self._check_outcomes(objects, lambda: self._inner.fetch(objects, inbox))

    def push(self, objects: Mapping[str, int]) -> Iterator[Outcome]:
        yield from self._check_outcomes(objects, lambda: self._inner.push(objects))

    def clear_damaged(self, oid: str) -> bool:
        with TRANSPORTS.guard(self._scheme):
            return self._inner.clear_damaged(oid)

    def list_held(self) -> Iterator[HeldObject]:
        with TRANSPORTS.guard(self._scheme):
            held = self._inner.list_held()
        yield from TRANSPORTS.guard_iterator(self._scheme, held)

    def drop_objects(self, oids: Collection[str]) -> None:
        with TRANSPORTS.guard(self._scheme):
            self._inner.drop_objects(oids)

    def close(self) -> None:
        with TRANSPORTS.guard(self._scheme):
            self._inner.close()

    def _check_outcomes(self, objects: Mapping[str, int], move: Callable[[], Iterator[Outcome]]) -> Iterator[Outcome]:
        with TRANSPORTS.guard(self._scheme):
            outcomes = move()
        left = set(objects)
        for outcome in TRANSPORTS.guard_iterator(self._scheme, outcomes):
            if not isinstance(outcome, Outcome):
                raise TRANSPORTS.reject_answer(self._scheme, f"answered with {outcome!r}, which is no outcome")
            self._require_asked([outcome.oid], left)
            left.remove(outcome.oid)
            yield outcome
        for oid in sorted(left):
            yield Outcome(oid, 0, TransportError(f"the transport {self._scheme!r} said nothing of object {oid}"))

    def _require_asked(self, oids: Collection[str], asked: Collection[str]) -> None:
        """Raise PluginError for an answer about an object that nobody asked for, or about one a second time."""
        if strays := set(oids).difference(asked):
            raise TRANSPORTS.reject_answer(self._scheme, f"answered of {min(strays)!r}, which it was not asked for")
