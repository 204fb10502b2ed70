"""A context on a memory store, whose warnings can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from git_theta.operations.context import Context
from git_theta.operations.state_database import StateDatabase
from git_theta.operations.workers import Workers
from git_theta.store.memory import MemoryStore


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers()
    yield workers
    workers.close()


@pytest.fixture
def warnings() -> list[str]:
    """What the context's operations warned of."""
    return []


@pytest.fixture
def context(tmp_path: Path, workers: Workers, warnings: list[str]) -> Iterator[Context]:
    state = StateDatabase(tmp_path / "state.sqlite")
    yield Context(MemoryStore(), state, workers, tmp_path / "scratch", warnings.append)
    state.close()
