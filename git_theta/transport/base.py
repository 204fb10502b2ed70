"""The seam of a transport: objects between a store of ours and one remote.

Laws, which ``git_theta.testing.transports`` checks for every transport:

- One outcome for every object that was asked for, in any order. What is wrong with one object is its outcome's error,
  and the others go on; what is wrong with the remote as a whole is raised, as TransportError or StoreError.
- Idempotent: what is there already is an outcome of no bytes, and no error. A transfer that was cut is repeated.
- Whole or not at all: whenever it is interrupted, neither side has half an object under an object's name. A fetch
  resumes what its inbox has of an object; what an earlier try left there is never trusted.
- Verified: bytes that are not the object are kept on neither side; CorruptObject is the outcome.
- Honest: an outcome of ``push`` without an error says that the object is on the remote, which was looked up there
  after it was sent (L7), unless ``unverified`` says why that could not be. Once the iteration has ended, all of them
  are durable there.
- Several clients may push and fetch the same objects at the same time.

A transport of a family's name is where ``theta.remote.NAME.url`` says that objects go, by the scheme of that URL. Only
the person's configuration chooses it: the URL of a remote may come from a repository's own files (L10).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import ClassVar, NamedTuple, Self

from git_theta.errors import MissingObject, ThetaError
from git_theta.registry import Family, require_subclass
from git_theta.store.base import Store
from git_theta.store.inbox import Inbox
from git_theta.transport.patience import USUAL_PATIENCE, Patience


class Outcome(NamedTuple):
    """What became of one object.

    Attributes:
        oid: the object.
        size: bytes that were moved for it; 0 where it was there already, or failed.
        error: why it is not where it should be. MissingObject: its source has none. CorruptObject: its source has other
            bytes. TransportError: it did not arrive; to try again may help.
    """

    oid: str
    size: int
    error: ThetaError | None = None


class HeldObject(NamedTuple):
    """An object that a remote has.

    Attributes:
        oid, size: which, and its bytes.
        moment: since when, in seconds since the epoch; None where nobody knows.
    """

    oid: str
    size: int
    moment: float | None = None


class TransportSetup(NamedTuple):
    """What a transport is opened with by its URL. All of it comes from the person (L10).

    Attributes:
        url: what ``theta.remote.NAME.url`` says.
        settings: the other keys ``theta.remote.NAME.KEY`` of the person's configuration, by KEY in lower case.
        ask: whether the person may be asked for a password.
        tell: says one thing to the person, such as that the remote is silent.
        patience: how long it may be.
    """

    url: str
    settings: Mapping[str, str] = MappingProxyType({})
    ask: bool = False
    tell: Callable[[str], None] = lambda _: None
    patience: Patience = USUAL_PATIENCE


class Transport(ABC):
    """One remote, open while it is used: a context manager. Sizes are those that manifests say, in bytes.

    Attributes:
        name: the scheme of the URLs that it opens, in lower case: what the family calls it.
        api: the version of this seam that it is written for. A plug-in says ``api = 1`` itself.
        needs_pointers: whether the host deletes objects that no Git LFS pointer of the repository names; a push then
            brings the pointers up to date as well.
        drops_objects: whether ``list_held`` and ``drop_objects`` work; a host of Git LFS lets nobody do either.
        is_shared: whether other repositories may have objects in the same place.
        unverified: why the remote could not be asked whether objects are there, so that a push was left to the program
            that moved them; "" where it could.
    """

    name: ClassVar[str] = ""
    api: ClassVar[int] = 1
    needs_pointers: bool = False
    drops_objects: bool = False
    is_shared: bool = False
    unverified: str = ""

    @classmethod
    def open_url(cls, setup: TransportSetup, ours: Store) -> Self:
        """The remote at the URL of a setup; to open it asks nobody. ``ours`` is our store.

        Raises TransportError where nothing can be made of the URL and the settings, with what to write instead.
        """
        raise NotImplementedError(f"{cls.__name__} is opened by no URL of its own")

    @abstractmethod
    def lacking(self, objects: Mapping[str, int]) -> list[str]:
        """Those of the objects (oid to size) that the remote has not got whole, in their order."""

    def explain_lack(self, oid: str) -> ThetaError:  # noqa: ARG002
        """What the remote said of an object that ``lacking`` found lacking, in words that follow its id."""
        return MissingObject("is not there")

    @abstractmethod
    def fetch(self, objects: Mapping[str, int], inbox: Inbox) -> Iterator[Outcome]:
        """Bring the objects (oid to size) here, through the inbox. Whoever asked syncs the store."""

    @abstractmethod
    def push(self, objects: Mapping[str, int]) -> Iterator[Outcome]:
        """Put the objects (oid to size) of our store on the remote, those that it lacks."""

    @property
    def clears_damaged(self) -> bool:
        """Whether ``clear_damaged`` can do something."""
        return type(self).clear_damaged is not Transport.clear_damaged

    def clear_damaged(self, oid: str) -> bool:  # noqa: ARG002
        """Take out of the way what stands in an object's place on the remote and is not the object; whether it is gone.

        The next push puts the object there. Nothing is done unless a transport can: Git LFS lets go of nothing.
        """
        return False

    def list_held(self) -> Iterator[HeldObject]:
        """Everything that the remote has, where it ``drops_objects``."""
        raise NotImplementedError(f"{type(self).__name__} lists nothing")

    def drop_objects(self, oids: Collection[str]) -> None:
        """Take objects off the remote, where it ``drops_objects``. Raises TransportError where it refuses."""
        raise NotImplementedError(f"{type(self).__name__} drops nothing")

    def close(self) -> None:  # noqa: B027
        """Let go of the remote; nothing to do for one that holds nothing open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


TRANSPORTS = Family("transports", require_subclass(Transport, "open_url"))
