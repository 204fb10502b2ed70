"""A Git LFS server that is a directory: another repository's objects of git-lfs, beside its Git directory."""

from __future__ import annotations

from git_theta.transport.directory import DirectoryTransport


class LfsDirectoryTransport(DirectoryTransport):
    """Objects where git-lfs itself would put them for a ``file://`` server. They are linked, or copied.

    ``git lfs prune`` there deletes what no pointer names.
    """

    needs_pointers = True
