"""``git theta fsck``: whether all that manifests need is in the store, and whole."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.boundary import say_hint
from git_theta.cli.cluster_option import on_option
from git_theta.cli.defect_output import format_defect, kind_of
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.cli.progress import show_progress
from git_theta.errors import CorruptObject, MissingObject, UsageError
from git_theta.operations.keeping.inventory import Defect, Inventory, take_inventory
from git_theta.operations.keeping.verify import verify_objects, worst_exit_code
from git_theta.repository.clustering.clusters import reach_cluster, require_address
from git_theta.repository.history.stored_manifests import read_manifests
from git_theta.repository.stores.object_stores import open_store
from git_theta.repository.stores.opening import open_context
from git_theta.store.base import Store
from git_theta.store.inbox import FOLDER as INCOMING
from git_theta.vcs import blob_walks
from git_theta.vcs.discovery import discover_repository
from git_theta.words import humanize_size, list_some, pluralize

_FETCH_ALL = "If a remote has it, a checkout that needs it fetches it. All versions at once: git theta fetch --all"
_ANY_FILE = "git add --renormalize FILE"
_MOST_NAMED = 5


@click.command
@click.option(
    "--remote", is_flag=False, flag_value="origin", metavar="[REMOTE]", help="Check what a remote (origin) has of it."
)
@click.option("--verify", is_flag=True, help="With --remote: read what is there, too.")
@click.option("--repair", is_flag=True, help="With --remote: push what is missing there.")
@on_option
@json_option
def command(remote: str | None, verify: bool, repair: bool, cluster: str, as_json: bool) -> int:
    """Verify every object of every reachable manifest.

    Takes the manifests of all refs, reflogs, stashes and indexes of all worktrees, and reads each object they name:
    present, of the right size, of the right hash, and giving back the parameters it holds. Exits 0 when all are, 3
    when one is missing, 4 when one is corrupt.

    With --remote it is a remote that must have the objects of our branches and tags, and pointers of them where its
    host needs any.
    """
    repository = discover_repository()
    require_address(cluster)
    if remote is not None and cluster:
        raise UsageError("--on is for the objects here, which are read", hint="Leave --remote or --on out.")
    if remote is not None:
        from git_theta.cli.remote_fsck import check_remote

        return check_remote(remote, repository, verify=verify, repair=repair, as_json=as_json)
    if verify or repair:
        raise UsageError("--verify and --repair are for --remote", hint="What to do for objects here: git theta fsck")
    needed = take_inventory(read_manifests(blob_walks.reachable_blobs(), boundary.warn_of))
    with (
        show_progress("Checking objects", needed.bytes_to_verify, len(needed.objects)) as meter,
        open_context(repository, boundary.warn, meter) as opened,
        reach_cluster(cluster, repository, opened) as context,
    ):
        defects = [*needed.unsound, *verify_objects(needed, context.store, context.engine, meter)]
    store = open_store(repository)
    if as_json:
        echo_json([_defect_json(defect, store) for defect in defects])
    else:
        _print_defects(defects, store)
        for line in _summarise_check(needed, store, repository.theta_dir):
            echo_line(line)
    return worst_exit_code(defects)


def _print_defects(defects: Sequence[Defect], store: Store) -> None:
    """Each with what helps; of what is missing that is said once: a fresh clone may lack thousands of objects."""
    missing: list[Defect] = []
    others: list[Defect] = []
    for defect in defects:
        (missing if defect.object and isinstance(defect.error, MissingObject) else others).append(defect)
    for line in list_some(map(format_defect, missing), rest=": git theta fsck --json"):
        echo_line(line)
    if missing:
        paths = sorted({defect.path for defect in missing if defect.path})
        again = f"git add --renormalize {' '.join(map(shlex.quote, paths))}" if len(paths) <= _MOST_NAMED else _ANY_FILE
        say_hint(f"{_FETCH_ALL}\nWith the good files in the worktree: {again}")
    hint = ""
    for defect in others:
        echo_line(format_defect(defect))
        if hint != (hint := _hint_for(defect, store)):  # thousands may lack the same plug-in
            say_hint(hint)


def _hint_for(defect: Defect, store: Store) -> str:
    if not defect.object:
        return defect.error.hint
    file = store.find(defect.object)
    again = f"git add --renormalize {shlex.quote(defect.path)}"
    if isinstance(defect.error, MissingObject):
        return f"{_FETCH_ALL}\nWith the good file in the worktree: {again}"
    if not isinstance(defect.error, CorruptObject):
        return defect.error.hint or "Mend that, and check again."
    if "manifest says" in defect.error.message:
        return "The manifest was damaged or forged. Take the file from another commit, or add it again."
    if file is None:  # a store that keeps no files
        return f"With the good file in the worktree: {again}\nOr leave it to the next checkout that needs it."
    return (
        f"Delete it: rm -f {shlex.quote(os.fspath(file))}\n"
        f"Then, with the good file in the worktree: {again}\n"
        f"Or leave it to the next checkout that needs it, which fetches it, if a remote has it."
    )


def _defect_json(defect: Defect, store: Store) -> dict[str, Any]:
    file = store.find(defect.object) if defect.object else None
    return {
        "kind": kind_of(defect),
        "object": defect.object,
        "file": os.fspath(file) if file else None,
        "path": defect.path,
        "manifest": defect.manifest,
        "parameters": list(defect.parameters),
        "message": defect.error.message,
        "hint": _hint_for(defect, store),
    }


def _summarise_check(needed: Inventory, store: Store, theta: Path) -> list[str]:
    bytes_needed = sum(parts.object_size for parts in needed.objects.values())
    unreachable = [oid for oid in store.oids() if oid not in needed.objects]
    bytes_unreachable = sum(store.size(oid) or 0 for oid in unreachable)
    lines = [
        (
            f"{pluralize(len(needed.manifests), 'manifest')}, {pluralize(len(needed.objects), 'object')} "
            f"of {humanize_size(bytes_needed)} checked"
        ),
        f"{pluralize(len(unreachable), 'unreachable object')}, {humanize_size(bytes_unreachable)}"
        if unreachable
        else "",
        f"{pluralize(leftovers, 'temporary file')} left by interrupted commands"
        if (leftovers := sum(_count_files(theta / name) for name in ("tmp", INCOMING)))
        else "",
    ]
    return [line for line in lines if line]


def _count_files(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0
