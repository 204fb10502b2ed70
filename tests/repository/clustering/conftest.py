"""A context on a memory store, as operations have it."""

from __future__ import annotations

from tests.operations.conftest import context, warnings, workers

__all__ = ["context", "warnings", "workers"]
