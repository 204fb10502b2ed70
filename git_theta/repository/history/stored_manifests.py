"""The manifests among the blobs that Git holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from git_theta.errors import ManifestError
from git_theta.manifest.new_parts import ManifestReader
from git_theta.manifest.text import MAX_MANIFEST, is_manifest
from git_theta.operations.keeping.inventory import ManifestBlob
from git_theta.vcs.blobs import Blob, read_contents


def read_manifests(
    blobs: Iterable[Blob],
    warn: Callable[[ManifestError], None],
    env: Mapping[str, str] | None = None,
    *,
    by_path: bool = False,
    tell_other: Callable[[bytes], object] = lambda _: None,
) -> Iterator[ManifestBlob]:
    """The manifests among these blobs, one at a time.

    Args:
        blobs: where to look.
        warn: told of those that this release cannot read.
        env: the environment that says which repository, where it is another one than ours.
        by_path: whether what is new in a manifest is what none before it had of the same path, not what none had.
        tell_other: told the first bytes of each blob that is no manifest.
    """
    readers: defaultdict[str, ManifestReader] = defaultdict(ManifestReader)
    for blob, data, _ in read_contents(blobs, is_manifest, MAX_MANIFEST, env=env):
        if is_manifest(data):
            try:
                reader = readers[blob.path if by_path else ""]
                yield ManifestBlob(blob.path, blob.oid, reader.read_new_parts(data))
            except ManifestError as error:
                message = f"{error.message} (blob {blob.oid}), not checked"
                warn(ManifestError(message, hint=error.hint, path=blob.path or blob.oid))
        else:
            tell_other(data)
        del data  # before the next one is read
