"""A store for the moment in a folder, beside another one that it borrows from: what is tried out, and not kept."""

from __future__ import annotations

from pathlib import Path

from git_theta.store.base import Store
from git_theta.store.chain import StoreChain
from git_theta.store.local import LocalStore


class ScratchStore(StoreChain):
    """Reads what the lender has, and writes to the folder alone; it is gone with the folder.

    Attributes:
        folder: where it is.
        lender: never written.
    """

    def __init__(self, folder: Path, lender: Store) -> None:
        super().__init__(LocalStore(folder), [lender])
        self.folder = folder
        self.lender = lender
