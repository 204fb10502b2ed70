"""A repository opened: its store, its state database and its remotes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from git_theta.manifest.model import Manifest
from git_theta.operations.context import NOT_SHOWN, Context, Progress
from git_theta.operations.state_database import StateDatabase
from git_theta.operations.workers import Workers
from git_theta.repository.index.staged_files import StagedFiles
from git_theta.repository.stores.object_stores import open_store
from git_theta.repository.stores.storage_preferences import STORAGE_KEYS, parse_preferences
from git_theta.repository.stores.unusable_remotes import find_unusable
from git_theta.store.base import Store
from git_theta.store.files import make_folder
from git_theta.store.local import LocalStore
from git_theta.vcs.attribute_files.nearby_attributes import read_chosen_format
from git_theta.vcs.config import STORE_KEY, read_last_values
from git_theta.vcs.discovery import Repository

if TYPE_CHECKING:
    from git_theta.errors import ThetaError
    from git_theta.transport.base import Transport
    from git_theta.vcs.remotes import FetchSource


@contextmanager
def open_context(
    repository: Repository,
    warn: Callable[[str], None],
    progress: Progress = NOT_SHOWN,
    *,
    remote: str = "",
    settings: Mapping[str, str] | None = None,
) -> Iterator[Context]:
    """A context with this repository's store, state and remotes; its threads end with the ``with`` block.

    Args:
        repository: the one to work in.
        warn: says one thing to the person.
        progress: told of every byte that is done, and shows what is fetched.
        remote: the remote, or URL, that alone is asked for objects; "" for all of them in turn.
        settings: the values of STORAGE_KEYS that there are in Git's configuration; None to read them.
    """
    theta = repository.theta_dir
    chosen = read_last_values(STORAGE_KEYS) if settings is None else settings
    store = open_store(repository, chosen.get(STORE_KEY) or LocalStore.name)
    state, workers, staged = StateDatabase(theta / "state.sqlite"), Workers(), StagedFiles(repository.worktree)
    try:
        yield Context(
            store=store,
            state=state,
            workers=workers,
            scratch=theta / "tmp",
            warn=warn,
            staged_manifest=staged.take_manifest,
            staged_blob=staged.read_blob,
            earlier_manifests=partial(_read_earlier, top=repository.worktree),
            fetch=partial(_fetch, store, repository, progress, warn, remote, find_unusable()),
            progress=progress,
            chosen_format=partial(read_chosen_format, repository=repository),
            preferences=cache(partial(parse_preferences, chosen)),
            read_setting=cache(partial(_read_setting, repository.home)),
        )
    finally:
        workers.close()
        state.close()


@contextmanager
def share_passwords(repository: Repository) -> Iterator[None]:
    """Have the programs that we start meanwhile ask the person for a password once, all of them together."""
    from git_theta.vcs.credential_sharing import share_credentials

    folder = repository.theta_dir / "tmp"
    with suppress(OSError):  # then each of them asks
        make_folder(folder, repository.theta_dir)
    with share_credentials(folder):
        yield


def conflicts_dir(repository: Repository) -> Path:
    """Where it is noted how far the conflicts of this worktree are settled."""
    return repository.git_dir / "theta" / "conflicts"


def partial_dir(repository: Repository) -> Path:
    """Where it is noted which files of this worktree have zeros in the place of parameters that are lost."""
    return repository.git_dir / "theta" / "partial"


def _read_setting(top: Path, key: str) -> str:
    """The value of a key without a subsection; Git says keys in lower case."""
    return read_last_values([key.lower()], cwd=top).get(key.lower(), "")


def _read_earlier(path: str, top: Path | None) -> Iterator[Manifest]:
    from git_theta.repository.index.earlier_versions import HEAD, INDEX, read_earlier  # once something is to be stored

    return read_earlier(path, (HEAD, INDEX), top)


def _fetch(
    store: Store,
    repository: Repository,
    progress: Progress,
    warn: Callable[[str], None],
    remote: str,
    unusable: dict[FetchSource, ThetaError],
    objects: Mapping[str, int],
) -> list[str]:
    from git_theta.repository.stores.object_fetch import fetch_objects
    from git_theta.repository.stores.remote_transports import open_remote
    from git_theta.store.inbox import Inbox
    from git_theta.vcs.remotes import fetch_sources

    def open_source(source: FetchSource) -> Transport:
        may_prompt = source.is_own
        return open_remote(source.name, source.url, repository, store, push=False, tell=warn, may_prompt=may_prompt)

    inbox = Inbox(store, repository.theta_dir)
    with share_passwords(repository), progress.show_work("Fetching objects", sum(objects.values()), len(objects)):
        return fetch_objects(objects, store, inbox, fetch_sources(remote), open_source, progress.finish_item, unusable)
