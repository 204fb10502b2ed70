"""``git theta fsck --remote``: whether a remote has what our refs need, and so that its host keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from git_theta.cli import boundary
from git_theta.cli.defect_output import format_defect, kind_of
from git_theta.cli.listing import echo_json, echo_line
from git_theta.cli.pre_push import push_with_progress
from git_theta.cli.progress import show_progress
from git_theta.errors import CorruptObject
from git_theta.operations.keeping.inventory import Defect, ManifestBlob, needed_objects, take_inventory
from git_theta.operations.keeping.verify import describe_loss, worst_exit_code
from git_theta.repository.history.stored_manifests import read_manifests
from git_theta.repository.sharing.remote_check import RemoteFault, find_damaged, find_lacking, find_unnamed
from git_theta.repository.stores.opening import open_context, share_passwords
from git_theta.repository.stores.remote_transports import open_remote
from git_theta.store.base import select_missing
from git_theta.transport.urls import redact_url
from git_theta.vcs import blob_walks, remotes
from git_theta.vcs.discovery import Repository
from git_theta.words import humanize_size, pluralize

_Told = tuple[RemoteFault, Defect, str, bool]
"""A fault, the defect that it is, the URL, and whether it was put right."""


def check_remote(remote: str, repository: Repository, *, verify: bool, repair: bool, as_json: bool) -> int:
    """Tell what a remote lacks, and push it; the exit code says what is wrong at the end.

    Args:
        remote: its name; each of its push URLs is checked.
        repository: ours.
        verify: whether to read the bytes that are there.
        repair: whether to push what is missing.
        as_json: whether to print JSON.
    """
    needed = take_inventory(_read_our_manifests(repository))
    sizes = {oid: parts.object_size for oid, parts in needed.objects.items()}
    told, left = list[_Told](), list[Defect]()
    for url in remotes.require_push_urls(remote):
        with share_passwords(repository):
            found = _find_faults(remote, url, repository, sizes, verify=verify)
            remaining = {fault.oid for fault in found}
            if repair and found:
                _push_faulty(found, remote, url, repository)
                remaining = {fault.oid for fault in _find_faults(remote, url, repository, sizes, verify=verify)}
        for fault in found:
            defect = describe_loss(fault.error, needed.objects[fault.oid], needed.manifests)
            left += [defect] if fault.oid in remaining else []
            told.append((fault, defect, url, fault.oid not in remaining))
    if as_json:
        echo_json([_defect_json(*one) for one in told])
    else:
        _print_defects(told, remote, repair=repair)
        echo_line(
            f"{remote}: {pluralize(len(needed.manifests), 'manifest')}, {pluralize(len(sizes), 'object')} "
            f"of {humanize_size(sum(sizes.values()))} checked"
        )
    return worst_exit_code(left)


def _find_faults(
    remote: str, url: str, repository: Repository, sizes: Mapping[str, int], *, verify: bool
) -> list[RemoteFault]:
    """What is wrong at one of a remote's URLs, each object once."""
    with (
        open_context(repository, boundary.warn) as context,
        open_remote(remote, url, repository, context.store, push=True) as transport,
    ):
        found = list(find_lacking(sizes, transport))
        there = {oid: size for oid, size in sizes.items() if oid not in {fault.oid for fault in found}}
        if verify:
            with show_progress("Reading objects", sum(there.values()), len(there)) as meter:
                found += find_damaged(there, transport, context.scratch, meter.finish_item)
        needs_pointers = transport.needs_pointers
    if needs_pointers:
        known = {fault.oid for fault in found}
        whole = {oid: size for oid, size in there.items() if oid not in known}
        found += find_unnamed(remote, url, whole, repository, boundary.warn)
    return found


def _push_faulty(found: list[RemoteFault], remote: str, url: str, repository: Repository) -> None:
    """Push the objects with a fault that can be had, and their pointers; what cannot be had is found again."""
    needed = needed_objects(_read_our_manifests(repository))
    with open_context(repository, boundary.warn) as context:
        lacking = {fault.oid: needed[fault.oid].bytes for fault in found if not fault.has_object}
        context.fetch(select_missing(lacking, context.store))
        lost = select_missing(lacking, context.store)
        with open_remote(remote, url, repository, context.store, push=True) as transport:
            for fault in found:
                if isinstance(fault.error, CorruptObject) and fault.oid not in lost:
                    transport.clear_damaged(fault.oid)
    push_with_progress(
        {fault.oid: needed[fault.oid] for fault in found if fault.oid not in lost}, remote, url, repository
    )


def _read_our_manifests(repository: Repository) -> Iterator[ManifestBlob]:
    return read_manifests(blob_walks.unpushed_blobs([], blob_walks.ref_tips(repository.git_dir)), boundary.warn_of)


def _print_defects(told: list[_Told], remote: str, *, repair: bool) -> None:
    for fault, defect, _, repaired in told:
        echo_line(("repaired: " if repaired else "") + format_defect(defect, _kind_of(fault, defect)))
    if any(not repaired for *_, repaired in told):
        boundary.say_hint(_hint_for(told, remote, repair=repair))


def _hint_for(told: list[_Told], remote: str, *, repair: bool) -> str:
    damaged = next(
        (fault.oid for fault, *_, repaired in told if not repaired and isinstance(fault.error, CorruptObject)), ""
    )
    if not repair:
        return f"Put what is here on {remote}: git theta fsck --remote {remote} --repair"
    if damaged:
        return f"Such a host keeps what it has: have it delete what is damaged, {damaged} first, and repeat this."
    return "Repeat this in a clone that has the objects."


def _kind_of(fault: RemoteFault, defect: Defect) -> str:
    return "no pointer" if fault.has_object else kind_of(defect)


def _defect_json(fault: RemoteFault, defect: Defect, url: str, repaired: bool) -> dict[str, Any]:
    return {
        "kind": _kind_of(fault, defect),
        "object": defect.object,
        "url": redact_url(url),
        "path": defect.path,
        "manifest": defect.manifest,
        "parameters": list(defect.parameters),
        "message": defect.error.message,
        "repaired": repaired,
    }
