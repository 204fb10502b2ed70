"""The transport of a remote, chosen and opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from git_theta.errors import TransportError
from git_theta.repository.stores.object_stores import open_other_store
from git_theta.store.base import Store
from git_theta.transport.base import Transport, TransportSetup
from git_theta.transport.choose import TransportChoice, choose_transport
from git_theta.transport.guarded_transport import open_guarded
from git_theta.transport.patience import Patience, read_patience
from git_theta.transport.urls import local_path
from git_theta.vcs import remotes
from git_theta.vcs.discovery import Repository


def _say_nothing(_: str) -> None: ...


def open_remote(
    name: str,
    url: str,
    repository: Repository,
    store: Store,
    *,
    push: bool,
    tell: Callable[[str], None] = _say_nothing,
    may_prompt: bool = True,
) -> Transport:
    """The transport between a store of ours and a remote; close it. Raises TransportError where there is none.

    Args:
        name: the remote's, as Git's configuration calls it; its URL where it has none.
        url: where Git fetches from it, or pushes to it.
        repository: the one we are in.
        store: ours.
        push: whether objects are to be pushed.
        tell: says one thing to the person, such as that a host is silent.
        may_prompt: whether a person may be asked for credentials.
    """
    settings = remotes.read_transport_settings()
    choice = choose_transport(name, url, settings, push=push)
    if choice.name == "directory":
        return _open_directory(choice, repository, store, push=push)
    patience = read_patience(name, settings)
    if choice.name == "lfs":
        return _open_lfs(name, choice, repository, store, settings, tell, patience, push=push, may_prompt=may_prompt)
    if choice.name == "git":
        return _open_git(choice, name, repository, store, tell, patience, may_prompt=may_prompt)
    own = f"theta.remote.{name}."
    keys = {key.removeprefix(own): value for key, value in settings.items() if key.startswith(own)}
    return open_guarded(TransportSetup(choice.address, keys, may_prompt, tell, patience), store)


def remotes_through_lfs() -> list[str]:
    """The names of the remotes that objects go to, or come from, through Git LFS."""
    settings = remotes.read_transport_settings()

    def goes_through(name: str, url: str, *, push: bool) -> bool:
        try:
            choice = choose_transport(name, url, settings, push=push)
        except TransportError:
            return False
        return choice.name == "lfs" and local_path(choice.address) is None

    return [
        name
        for name, url in remotes.remote_urls().items()
        if goes_through(name, url, push=False)
        or any(goes_through(name, one, push=True) for one in remotes.push_urls(name))
    ]


def _open_directory(choice: TransportChoice, repository: Repository, store: Store, *, push: bool) -> Transport:
    from git_theta.transport.directory import DirectoryTransport

    path = local_path(choice.address)
    assert path is not None
    theirs = open_other_store(path, repository.home)
    if theirs is None:
        raise TransportError("no repository is there")
    return DirectoryTransport(store, theirs, freshens=push)


def _open_lfs(
    name: str,
    choice: TransportChoice,
    repository: Repository,
    store: Store,
    settings: Mapping[str, str],
    tell: Callable[[str], None],
    patience: Patience,
    *,
    push: bool,
    may_prompt: bool,
) -> Transport:
    from git_theta.transport.lfs.endpoint import endpoint_of, require_agreement
    from git_theta.transport.lfs.lfs_transport import LfsTransport

    if local_path(choice.address) is not None:
        return _open_lfs_directory(choice.address, repository, store, push=push)
    endpoint = endpoint_of(choice)
    require_agreement(name, choice, endpoint, remotes.read_lfsconfig(repository), push=push)
    return LfsTransport(endpoint, repository, store, settings, tell, ask=may_prompt, patience=patience)


def _open_lfs_directory(address: str, repository: Repository, store: Store, *, push: bool) -> Transport:
    from git_theta.store.local import LocalStore
    from git_theta.transport.directory import LfsDirectoryTransport

    path = local_path(address)
    found = remotes.find_directory_repository(path or "", repository.home)
    if found is None:
        raise TransportError("no repository is there")
    return LfsDirectoryTransport(store, LocalStore(found.common_dir / "lfs"), freshens=push)


def _open_git(
    choice: TransportChoice,
    name: str,
    repository: Repository,
    store: Store,
    tell: Callable[[str], None],
    patience: Patience,
    *,
    may_prompt: bool,
) -> Transport:
    from git_theta.transport.git.git_transport import GitTransport
    from git_theta.vcs.remote_settings import read_remote_access

    access = read_remote_access(name, choice.address, repository, ask=may_prompt)
    return GitTransport(store, access, repository.theta_dir, tell, patience)
