"""The transport of a remote, chosen and opened."""

from __future__ import annotations

from collections.abc import Mapping

from git_theta.errors import TransportError
from git_theta.repository.object_stores import open_other_store
from git_theta.store.base import Store
from git_theta.transport.base import Transport
from git_theta.transport.choose import Choice, choose_transport
from git_theta.transport.urls import local_path
from git_theta.vcs import remotes
from git_theta.vcs.discovery import Repository


def open_remote(name: str, url: str, repository: Repository, store: Store, *, push: bool) -> Transport:
    """The transport between a store of ours and a remote; close it. Raises TransportError where there is none.

    Args:
        name: the remote's, as Git's configuration calls it; its URL where it has none.
        url: where Git fetches from it, or pushes to it.
        repository: the one we are in.
        store: ours.
        push: whether objects are to be pushed.
    """
    settings = remotes.read_transport_settings()
    choice = choose_transport(name, url, settings, push=push)
    if choice.name == "directory":
        return _open_directory(choice, repository, store)
    if choice.name == "git":
        return _open_git(choice, name, repository, store)
    if choice.name == "bucket":
        return _open_bucket(choice, name, settings, store)
    raise TransportError(f"this release has no transport for {choice.name} yet")


def _open_directory(choice: Choice, repository: Repository, store: Store) -> Transport:
    from git_theta.transport.directory import DirectoryTransport

    path = local_path(choice.address)
    assert path is not None
    theirs = open_other_store(path, repository.worktree or repository.git_dir)
    if theirs is None:
        raise TransportError("no repository is there")
    return DirectoryTransport(store, theirs)


def _open_git(choice: Choice, name: str, repository: Repository, store: Store) -> Transport:
    from git_theta.transport.git_blobs import GitTransport
    from git_theta.vcs.scratch_repository import read_remote_access

    return GitTransport(store, read_remote_access(name, choice.address, repository), repository.theta_dir)


def _open_bucket(choice: Choice, name: str, settings: Mapping[str, str], store: Store) -> Transport:
    from git_theta.transport.bucket import BucketTransport
    from git_theta.transport.bucket_access import open_bucket

    keys = {word: f"theta.remote.{name}.{word}" for word in ("endpoint", "region")}
    options = {word: settings[key] for word, key in keys.items() if key in settings}
    return BucketTransport(store, open_bucket(choice.address, options))
