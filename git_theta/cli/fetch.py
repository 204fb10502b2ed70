"""``git theta fetch``: the objects of every version, so that this clone is complete."""

from __future__ import annotations

import click

from git_theta.cli import boundary
from git_theta.cli.progress import Meter
from git_theta.errors import MissingObject
from git_theta.operations.keeping.inventory import needed_objects, object_sizes
from git_theta.repository.opening import open_context
from git_theta.repository.stored_manifests import read_manifests
from git_theta.vcs import blob_walks
from git_theta.vcs.discovery import discover_repository
from git_theta.words import humanize_size, pluralize


@click.command
def command() -> None:
    """Bring the objects of every reachable version here.

    A checkout fetches what it needs by itself. This is for a clone that shall have everything: to work offline, to
    serve others, to be a backup.
    """
    repository = discover_repository()
    needed = needed_objects(read_manifests(blob_walks.reachable_blobs(), boundary.warn_of))
    sizes = object_sizes(needed)
    with open_context(repository, boundary.warn, Meter()) as context:
        missing = {oid: size for oid, size in sizes.items() if context.store.size(oid) != size}
        if missing:
            context.fetch(missing)
        lost = [oid for oid in missing if context.store.size(oid) != sizes[oid]]
    fetched = [oid for oid in missing if oid not in set(lost)]
    click.echo(f"{pluralize(len(fetched), 'object')} fetched, {humanize_size(sum(sizes[oid] for oid in fetched))}")
    if lost:
        raise MissingObject(
            f"{pluralize(len(lost), 'object')} cannot be had, {lost[0]} first",
            hint="`git theta fsck` tells which files need them. Ask who made the commits to run: git theta push",
        )
