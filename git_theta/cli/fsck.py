"""``git theta fsck``: whether all that manifests need is in the store, and whole."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.boundary import say
from git_theta.cli.listing import echo_json, json_option
from git_theta.cli.progress import progress
from git_theta.errors import CorruptObject, MissingObject
from git_theta.operations.keeping.inventory import Defect, Inventory, inventory
from git_theta.operations.keeping.verify import exit_code, verify
from git_theta.repository.opening import open_desk, open_store
from git_theta.repository.stored_manifests import read_manifests
from git_theta.store.local import LocalStore
from git_theta.vcs import blobs
from git_theta.vcs.discovery import discover
from git_theta.words import count, printable, size


@click.command
@json_option
def command(as_json: bool) -> int:
    """Verify every object of every reachable manifest.

    Takes the manifests of all refs, reflogs, stashes and indexes of all worktrees, and reads each object they name:
    present, of the right size, of the right hash, and giving back the parameters it holds. Exits 0 when all are, 3
    when one is missing, 4 when one is corrupt.
    """
    repository = discover()
    needed = inventory(read_manifests(blobs.reachable(), boundary.warn_of))
    with progress("Checking objects", needed.work) as tick, open_desk(repository, boundary.warn) as desk:
        defects = [*needed.unsound, *verify(needed.uses, desk.store, desk.workers, tick)]
    store = open_store(repository)
    if as_json:
        echo_json([_json(defect, store) for defect in defects])
    else:
        for defect in defects:
            click.echo(_line(defect))
            say(_hint(defect, store), prefix="hint: ")
        click.echo(_summary(needed, store))
    return exit_code(defects)


def _kind(defect: Defect) -> str:
    kinds = {MissingObject: "missing", CorruptObject: "corrupt"}
    return kinds.get(type(defect.error), "unchecked")


def _line(defect: Defect) -> str:
    names = ", ".join(defect.parameters[:3]) + (" ..." if len(defect.parameters) > 3 else "")
    named = f": {count(len(defect.parameters), 'parameter')}: {names}" if names else ""
    where = f"{defect.path or 'a blob'} (manifest {defect.manifest[:12]}){named}"
    what = f"object {defect.object} " if defect.object else ""
    return printable(f"{_kind(defect)}: {what}{defect.error.message}; {where}")


def _hint(defect: Defect, store: LocalStore) -> str:
    if not defect.object:
        return defect.error.hint
    file = store.find(defect.object)
    again = f"git add --renormalize {shlex.quote(defect.path)}"
    if isinstance(defect.error, MissingObject):
        return f"A checkout that needs it fetches it, if a remote has it. With the good file in the worktree: {again}"
    if not isinstance(defect.error, CorruptObject):
        return defect.error.hint or "Mend that, and check again."
    if file is None or "manifest says" in defect.error.message:
        return "The manifest was damaged or forged. Take the file from another commit, or add it again."
    return (
        f"Delete it: rm -f {shlex.quote(os.fspath(file))}\n"
        f"Then, with the good file in the worktree: {again}\n"
        f"Or leave it to the next checkout that needs it, which fetches it, if a remote has it."
    )


def _json(defect: Defect, store: LocalStore) -> dict[str, Any]:
    file = store.find(defect.object) if defect.object else None
    return {
        "kind": _kind(defect),
        "object": defect.object,
        "file": os.fspath(file) if file else None,
        "path": defect.path,
        "manifest": defect.manifest,
        "parameters": list(defect.parameters),
        "message": defect.error.message,
        "hint": _hint(defect, store),
    }


def _summary(needed: Inventory, store: LocalStore) -> str:
    bytes_needed = sum(uses[0].part.storage.bytes for uses in needed.uses.values())
    unreachable = [oid for oid in store.oids() if oid not in needed.uses]
    bytes_unreachable = sum(store.size(oid) or 0 for oid in unreachable)
    lines = [
        f"{count(needed.manifests, 'manifest')}, {count(len(needed.uses), 'object')} of {size(bytes_needed)} checked",
        f"{count(len(unreachable), 'unreachable object')}, {size(bytes_unreachable)}" if unreachable else "",
        f"{count(leftovers, 'temporary file')} left by interrupted commands"
        if (leftovers := _leftovers(store.root / "tmp"))
        else "",
    ]
    return "\n".join(line for line in lines if line)


def _leftovers(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0
