"""What a checkout is going to need, asked for before its first file is written."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from git_theta.errors import GitError, ManifestError
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.operations.context import Context
from git_theta.operations.restoring.restore import is_inflated, missing_objects
from git_theta.store.base import select_missing
from git_theta.vcs.blobs import iterate_wanted_blobs
from git_theta.vcs.remembered_settings import has_true_setting
from git_theta.vcs.trees import changed_blobs


class CheckoutFetch:
    """Asks remotes for what files lack that are checked out one after the other: once for all of them.

    Attributes:
        tree: the commit or tree that is checked out whole; "" where some files are.
        reasons: why remotes did not help, the last time.
    """

    def __init__(self, context: Context) -> None:
        self.tree = ""
        self.reasons: list[str] = []
        self._context = context
        self._known_trees = {""}
        self._unavailable: set[str] = set()

    def fetch(self, objects: Mapping[str, int]) -> list[str]:
        """As ``Context.fetch``, for what one file lacks; what the other files of the tree lack comes along."""
        if self._unavailable.issuperset(objects):  # a remote that cannot be reached may take long to say so
            return self.reasons
        if self.tree not in self._known_trees:
            self._known_trees.add(self.tree)
            objects = {**objects, **_objects_of_checkout(self.tree, self._context)}
        self.reasons = self._context.fetch(objects)
        self._unavailable |= select_missing(objects, self._context.store).keys()
        return self.reasons


def _objects_of_checkout(tree: str, context: Context) -> dict[str, int]:
    """The objects (oid to size) that are not here, of the files that Git takes from ``tree`` to the worktree.

    Nothing in a sparse checkout, where Git leaves files out: each of its files asks for its own.
    """
    found: dict[str, int] = {}
    with suppress(GitError):  # nothing but an early look: each file asks again for what it lacks
        if has_true_setting("core.sparsecheckout"):
            return found
        for _, text in iterate_wanted_blobs(changed_blobs(tree), is_manifest, MAX_MANIFEST):
            with suppress(ManifestError):
                manifest = decode_manifest(text)
                if not is_inflated(manifest, context):
                    sizes = manifest.objects()
                    found |= {oid: sizes[oid] for oid in missing_objects(manifest, context)}
    return found
