"""The clean cache: the manifest of a file that was cleaned before, and has not changed since.

Git may clean other bytes than the worktree's (``hash-object --stdin --path``), so a file that looks the same proves
nothing about the stream: the two are compared, byte for byte, before a manifest is remembered, and before it is used.
That is still far cheaper than hashing and encoding.
"""

from __future__ import annotations

from git_theta.errors import ManifestError
from git_theta.manifest.model import Entry, Manifest
from git_theta.manifest.text import decode_manifest, encode_manifest
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.split import SplitFile
from git_theta.operations.context import Context
from git_theta.operations.restoring.restore import missing_objects
from git_theta.operations.streams import FileSource


def recall_split(path: str, source: FileSource, context: Context) -> SplitFile | None:
    """What the file gave when it looked as it does now, if everything that its manifest names is here."""
    text = context.state.manifest_of(source.path, source.stat())
    if text is None:
        return None
    known = KnownParts(context, context.staged_manifest(path))
    try:
        manifest = _with_index_storage(decode_manifest(text), known)
    except ManifestError:  # the database was damaged, or another release wrote it
        return None
    if missing_objects(manifest, context) or not known.freshen_unstaged(manifest):
        return None
    return SplitFile(encode_manifest(manifest))


def _with_index_storage(manifest: Manifest, known: KnownParts) -> Manifest:
    """The manifest, with the storage that the index has for the same parts (L2)."""

    def as_there(part: Entry) -> Entry:
        return part._replace(storage=known(part.oid, part.dtype, part.shape) or part.storage)

    frame = manifest.frame and as_there(manifest.frame)
    return manifest._replace(frame=frame, entries=tuple(map(as_there, manifest.entries)))
