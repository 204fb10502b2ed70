"""A context for what is computed for the moment: its results lie in a folder of their own, and go with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from git_theta.manifest.model import DENSE
from git_theta.operations.context import Context
from git_theta.operations.state_database import StateDatabase
from git_theta.parameters.preferences import Preferences
from git_theta.repository.history.folder_checkout import make_scratch_folder
from git_theta.store.scratch_store import ScratchStore
from git_theta.vcs.discovery import Repository

_PLAIN = Preferences((DENSE,), "raw", 0)
"""What is read once, and soon, is not worth compressing."""


@contextmanager
def open_scratch_context(context: Context, repository: Repository) -> Iterator[Context]:
    """The context with a store and a memory of its own: what is there already is read where it lies."""
    with make_scratch_folder(repository) as folder, closing(StateDatabase(folder / "state.sqlite")) as state:
        store = ScratchStore(folder, context.store)
        yield context._replace(store=store, state=state, scratch=folder / "tmp", preferences=lambda: _PLAIN)
