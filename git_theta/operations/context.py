"""What an operation works with: the store and the functions that reach outside, handed down by rooms that know Git."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from git_theta.manifest.model import Entry, Manifest
from git_theta.operations.engines.base import Engine
from git_theta.operations.state_database import StateDatabase
from git_theta.operations.workers import Workers
from git_theta.parameters.preferences import DEFAULT_PREFERENCES, Preferences
from git_theta.store.base import Store
from git_theta.tensors.arrays import Buffer

if TYPE_CHECKING:
    from git_theta.merging.companions import Companion


class StagedBlob(NamedTuple):
    """What the index holds for a file.

    Attributes:
        size: bytes.
        manifest: what it says, where it is a manifest of ours.
        is_same: whether these bytes, in blocks, of that size, are the blob's.
    """

    size: int
    manifest: Manifest | None
    is_same: Callable[[Iterable[Buffer]], bool]


def _no_blob(path: str) -> StagedBlob | None:
    """No index to look into."""


def _no_manifest(path: str) -> Manifest | None:
    """No index to look into."""


def _no_manifests(path: str) -> Iterable[Manifest]:  # noqa: ARG001
    """No version before."""
    return ()


def _fetch_nothing(objects: Mapping[str, int]) -> list[str]:  # noqa: ARG001
    """No remote to fetch from."""
    return []


def _default_preferences() -> Preferences:
    """No configuration to read."""
    return DEFAULT_PREFERENCES


class CompanionVersion(NamedTuple):
    """A strategy's companion as a head has it.

    Attributes:
        head: what people call the head.
        path: where it was looked for; of several places, the first.
        entries: its parameters by name; None where it has none there.
        problem: why, in words.
    """

    head: str
    path: str
    entries: Mapping[str, Entry] | None
    problem: str = ""


def _know_no_commits(companion: Companion, options: Mapping[str, Any]) -> Sequence[CompanionVersion] | None:
    """No commits to look into."""


class Progress(Protocol):
    """Shows how far a piece of work is, to whoever watches."""

    def __call__(self, done: int, /) -> None:
        """So many more bytes are done."""
        ...

    def show_work(
        self, description: str, total: int | None = None, items: int | None = None
    ) -> AbstractContextManager[None]:
        """Show what is done in this block.

        ``total``: bytes there are to do; ``items``: things (files, objects) they are of. None: not known.
        """
        ...

    def begin_item(self) -> None:
        """The next of the items begins."""
        ...

    def finish_item(self, done: int) -> None:
        """One of the items, of so many bytes, is done."""
        ...


class _NobodyWatches:
    """Progress that is not shown."""

    def __call__(self, done: int) -> None:
        pass

    def show_work(
        self,
        description: str,  # noqa: ARG002
        total: int | None = None,  # noqa: ARG002
        items: int | None = None,  # noqa: ARG002
    ) -> AbstractContextManager[None]:
        return nullcontext()

    def begin_item(self) -> None:
        pass

    def finish_item(self, done: int) -> None:
        pass


NOT_SHOWN: Progress = _NobodyWatches()


def _take_workers(context: Context) -> Engine:
    """The cores of this machine."""
    return context.workers


class Context(NamedTuple):
    """What an operation works with.

    Attributes:
        store: where objects are.
        state: what this clone remembers; may be thrown away at any time.
        workers: threads.
        scratch: a directory on the store's file system for temporary files.
        warn: say one thing to the person.
        staged_manifest: the manifest that the index holds for a path, or None.
        staged_blob: the blob that the index holds for a path, or None where it has none, or is in conflict.
        earlier_manifests: the versions before of the file at a path, and of the other files of its checkpoint, nearest
            first: read as far as somebody looks into them.
        fetch: try to bring these objects (oid to size) into the store; returns, for each remote that did not help, its
            name and why.
        progress: tell that so many more bytes are done.
        preferences: which of the installed updates and serializers to store with; asked when something is to be stored.
        pins_layout: whether a file keeps the layout that the index has for it; asked where that matters.
        find_companions: what each head of the merge that is under way has of a strategy's companion, given its options,
            in the order of heads; None where it cannot be known which commits are merged.
        read_setting: the value of a key of Git's configuration; "" where it has none.
        chosen_format: the format that a person chose for a path; "" where none is, and the bytes decide.
        choose_engine: what does tasks, for a context as it is then.
    """

    store: Store
    state: StateDatabase
    workers: Workers
    scratch: Path
    warn: Callable[[str], None]
    staged_manifest: Callable[[str], Manifest | None] = _no_manifest
    staged_blob: Callable[[str], StagedBlob | None] = _no_blob
    earlier_manifests: Callable[[str], Iterable[Manifest]] = _no_manifests
    fetch: Callable[[Mapping[str, int]], list[str]] = _fetch_nothing
    progress: Callable[[int], None] = NOT_SHOWN
    preferences: Callable[[], Preferences] = _default_preferences
    pins_layout: Callable[[], bool] = lambda: True
    chosen_format: Callable[[str], str] = lambda _: ""
    read_setting: Callable[[str], str] = lambda _: ""
    find_companions: Callable[[Companion, Mapping[str, Any]], Sequence[CompanionVersion] | None] = _know_no_commits
    choose_engine: Callable[[Context], Engine] = _take_workers

    @property
    def engine(self) -> Engine:
        """What does tasks: the cores of this machine, unless others were asked for."""
        return self.choose_engine(self)
