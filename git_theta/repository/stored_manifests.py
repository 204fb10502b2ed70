"""The manifests among the blobs that Git holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from git_theta.errors import ManifestError
from git_theta.manifest.text import LARGEST, is_manifest, loads
from git_theta.operations.keeping.inventory import Held
from git_theta.vcs.blobs import Blob, contents


def read_manifests(blobs: Iterable[Blob], warn: Callable[[ManifestError], None]) -> Iterator[Held]:
    """The manifests among these blobs. ``warn`` is told of those that this release cannot read."""
    for blob, data, _ in contents(blobs, is_manifest, LARGEST):
        if is_manifest(data):
            try:
                yield Held(blob.path, blob.oid, loads(data))
            except ManifestError as error:
                message = f"{error.message} (blob {blob.oid}), not checked"
                warn(ManifestError(message, hint=error.hint, path=blob.path or blob.oid))
