"""Manifests of small checkpoints whose objects are in a context's store."""

from __future__ import annotations

from collections.abc import Mapping

from git_theta.manifest.model import Manifest
from git_theta.manifest.text import decode_manifest
from git_theta.merging.policies.policy import Choice
from git_theta.operations.adding.clean import clean_stream
from git_theta.operations.context import Context
from git_theta.operations.merging.merge_results import Choose
from git_theta.operations.restoring.restore import restore_pieces
from git_theta.operations.streams import Stream
from tests.sandbox import safetensors_bytes

Values = Mapping[str, bytes]


def checkpoint(values: Values, metadata: Mapping[str, str] | None = None) -> bytes:
    """A safetensors file of U8 vectors."""
    return safetensors_bytes({name: ("U8", (len(data),), data) for name, data in values.items()}, metadata)


def stored(context: Context, content: bytes, path: str = "model.safetensors") -> Manifest:
    """The manifest of a file, whose objects are stored now."""
    return decode_manifest(clean_stream(Stream.from_pieces([content]), path, None, context))


def bytes_of(manifest: Manifest, context: Context) -> bytes:
    """The file that a manifest stands for."""
    return b"".join(map(bytes, restore_pieces(manifest, context)))


def always(strategy: str) -> Choose:
    """One strategy for everything."""
    return lambda _: Choice(strategy, {}, "test")
