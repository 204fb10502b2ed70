"""A transport that is held to the laws: the hooks that a test fills in, and both sides of a transfer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import pytest

from git_theta.store.base import Store
from git_theta.store.inbox import Inbox
from git_theta.store.local import LocalStore
from git_theta.store.memory import MemoryStore
from git_theta.testing.transfers import OBJECTS, OID
from git_theta.transport.base import Transport


class TransportHooks(ABC):
    """The transport, and how to look and reach behind its back.

    ``folder`` is a directory that stands for one remote, which is made when it is first asked for.

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

    def _fill_remote(self, remote: Path, instead: Mapping[str, bytes] | None = None) -> None:
        for oid, content in {**self.objects, **(instead or {})}.items():
            self.raw_put(remote, oid, content)
