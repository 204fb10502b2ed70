"""A desk on a memory store, whose warnings can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from git_theta.operations.context import Desk
from git_theta.operations.state_database import State
from git_theta.operations.workers import Workers
from git_theta.store.memory import MemoryStore


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers()
    yield workers
    workers.close()


@pytest.fixture
def warnings() -> list[str]:
    """What the desk's operations warned of."""
    return []


@pytest.fixture
def desk(tmp_path: Path, workers: Workers, warnings: list[str]) -> Iterator[Desk]:
    state = State(tmp_path / "state.sqlite")
    yield Desk(MemoryStore(), state, workers, tmp_path / "scratch", warnings.append)
    state.close()
