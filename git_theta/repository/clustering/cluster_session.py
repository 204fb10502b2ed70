"""A session with a cluster: its scheduler reached, and its workers asked whether they can work for us."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from git_theta.errors import PluginError, UsageError
from git_theta.operations.context import Context
from git_theta.repository.clustering.dask_engine import make_engine
from git_theta.repository.clustering.task_worker import ClusterTerms, describe_refusal, list_packages
from git_theta.store.base import Store
from git_theta.vcs import alternates, config
from git_theta.vcs.discovery import Repository

if TYPE_CHECKING:
    from distributed import Client

_SECONDS = 10
"""How long a scheduler may take to answer."""


@contextmanager
def open_session(address: str, repository: Repository, context: Context) -> Iterator[Context]:
    """As ``reach_cluster``, given an address."""
    with _open_client(address) as client, _put_witness(context.store) as witness:
        terms = _make_terms(repository, witness)
        _require_workers(client, terms.encode(), address)
        yield context._replace(choose_engine=make_engine(client, terms, context.store))


@contextmanager
def _open_client(address: str) -> Iterator[Client]:
    try:
        from distributed import Client
    except ImportError:
        raise PluginError(
            "a cluster needs dask.distributed, which is not installed here",
            hint=f"Install it: {sys.executable} -m pip install 'git-theta[cluster]'",
        ) from None
    try:
        client = Client(address, timeout=_SECONDS, set_as_default=False)
    except (OSError, TimeoutError):
        raise UsageError(
            f"no scheduler answers at {address}", hint="Start one there: dask scheduler. See that its port is open."
        ) from None
    try:
        yield client
    finally:
        client.close()


@contextmanager
def _put_witness(store: Store) -> Iterator[str]:
    """An object that nobody else has: who finds it has our store."""
    oid, _ = store.put([secrets.token_bytes(32)])
    try:
        store.sync()
        yield oid
    finally:
        store.delete(oid)


def _make_terms(repository: Repository, witness: str) -> ClusterTerms:
    borrowed = alternates.alternates_of(repository).found
    return ClusterTerms(
        list_packages(),
        os.fspath(repository.theta_dir),
        config.chosen_store(),
        tuple(map(os.fspath, borrowed)),
        witness,
    )


def _require_workers(client: Client, terms: str, address: str) -> None:
    """Raise UsageError where there is no worker, or one that does not work on these terms."""
    answers = client.run(describe_refusal, terms, on_error="return")
    if not answers:
        raise UsageError(f"the scheduler at {address} has no worker", hint=f"Start some: dask worker {address}")
    for worker, problem in sorted(answers.items()):
        if problem:
            said = problem if isinstance(problem, str) else f"{type(problem).__name__}: {problem}"
            raise UsageError(
                f"worker {worker} cannot work for us: {said}",
                hint="Have it as this machine: the same packages, the same disk at the same path. Or stop it.",
            )
