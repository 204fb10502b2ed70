"""Manifests of small checkpoints whose objects are in a desk's store."""

from __future__ import annotations

from collections.abc import Mapping

from git_theta.manifest.model import Manifest
from git_theta.manifest.text import loads
from git_theta.merging.policy import Choice
from git_theta.operations.adding.clean import clean
from git_theta.operations.context import Desk
from git_theta.operations.merging.apply_plan import Choose
from git_theta.operations.restoring.restore import restored
from git_theta.operations.streams import Stream
from tests.sandbox import safetensors_bytes

Values = Mapping[str, bytes]


def checkpoint(values: Values, metadata: Mapping[str, str] | None = None) -> bytes:
    """A safetensors file of U8 vectors."""
    return safetensors_bytes({name: ("U8", (len(data),), data) for name, data in values.items()}, metadata)


def stored(desk: Desk, content: bytes, path: str = "model.safetensors") -> Manifest:
    """The manifest of a file, whose objects are stored now."""
    return loads(clean(Stream.of([content]), path, None, desk))


def bytes_of(manifest: Manifest, desk: Desk) -> bytes:
    """The file that a manifest stands for."""
    return b"".join(map(bytes, restored(manifest, desk)))


def always(strategy: str) -> Choose:
    """One strategy for everything."""
    return lambda _: Choice(strategy, {}, "test")
