"""A cluster that a person named on the command line, for the tasks of a context.

A scheduler's address stands in no repository: whoever runs tasks of ours runs them as us (L10).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from git_theta.errors import UsageError
from git_theta.operations.context import Context
from git_theta.vcs.discovery import Repository

_ADDRESS = re.compile(r"(tcp|tls)://[^\s/]+:\d{1,5}")


def require_address(address: str) -> str:
    """An address of a scheduler as it is spelled, or "" for none. Raises UsageError for what is none."""
    if address and not _ADDRESS.fullmatch(address):
        raise UsageError(f"{address!r} is no address of a scheduler", hint="Write tcp://HOST:PORT, or tls://HOST:PORT.")
    return address


@contextmanager
def reach_cluster(address: str, repository: Repository, context: Context) -> Iterator[Context]:
    """The context with the workers of a cluster for its tasks; as it is where the address is "".

    Raises PluginError where dask.distributed is not installed; UsageError for a cluster that does not answer, has no
    worker, or one that cannot work for us: it is named.
    """
    if not address:
        yield context
        return
    from git_theta.repository.clustering.cluster_session import open_session  # with all that may travel

    with open_session(address, repository, context) as joined:
        yield joined
