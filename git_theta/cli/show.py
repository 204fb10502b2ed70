"""``git theta show``: what one version of a checkpoint is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import click

from git_theta.checkpoints.index_file import is_index
from git_theta.checkpoints.shards import Shard
from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, json_option
from git_theta.cli.pager import print_paged, uses_color
from git_theta.cli.show_json import version_json
from git_theta.cli.show_output import Metadata, render_head
from git_theta.cli.show_table import align_rows, list_module_rows, list_parameter_rows
from git_theta.diffing.render.colors import choose_palette, paint
from git_theta.errors import ThetaError
from git_theta.globs import name_matcher
from git_theta.manifest.model import Entry
from git_theta.operations.keeping.summary import list_framed_values, module_tree, read_metadata, tied_names
from git_theta.repository.comparing.index_checks import faults_of_commit, faults_of_index
from git_theta.repository.history.checkpoint_lookup import CheckpointVersion, find_checkpoint, refuse_globs
from git_theta.repository.history.version_history import open_history
from git_theta.repository.stores.object_stores import open_store
from git_theta.store.base import Store
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.words import escape_unprintable


@click.command
@click.argument("name", default="HEAD", metavar="[REV:PATH | :PATH | PATH | REV]")
@click.option("-p", "globs", multiple=True, metavar="GLOB", help="These parameters alone.")
@click.option("--depth", type=click.IntRange(min=0), default=2, metavar="N", help="Show modules N deep (2).")
@click.option("--parameters", is_flag=True, help="List every parameter.")
@json_option
def command(name: str, globs: tuple[str, ...], depth: int, parameters: bool, as_json: bool) -> None:
    """Show what one version of a checkpoint is made of.

    REV:PATH is as with `git show`: PATH from the top, or relative to the current folder when it starts with ./ or ../;
    without REV, what the index holds. PATH alone is what HEAD holds, relative to the current folder. REV alone (HEAD by
    default) is the one checkpoint of that commit. PATH may be the index of shards. No tensor is read.
    """
    repository = discover_repository()
    with open_history(boundary.warn) as history:
        found = find_checkpoint(history.blobs, name)
    chosen = _select_entries(found, globs)
    store = open_store(repository)
    facts = [_read_metadata(shard, store) for shard in found.shards]
    framed = {key: text for shard in found.shards for key, text in _list_framed(shard, store).items()}
    faults = _find_faults(found, repository)
    if as_json:
        echo_json({**version_json(found, chosen, facts), "framed": framed, "faults": faults})
    else:
        color = uses_color()
        body = list_parameter_rows(chosen) if parameters else list_module_rows(module_tree(chosen), depth)
        titles, *rows = align_rows(list(body))
        table = ["", paint(titles, choose_palette(color).dim), *rows] if chosen else []
        head = [*render_head(found, chosen, facts, framed, color=color), *map(escape_unprintable, faults)]
        lines = [*head, *table]
        print_paged("".join(f"{line}\n" for line in lines))


def _find_faults(found: CheckpointVersion, repository: Repository) -> list[str]:
    """What is wrong with the index, where that is what was named."""
    if not is_index(found.path):
        return []
    faults = faults_of_commit(found.revision, repository.worktree) if found.revision else faults_of_index(repository)
    return [fault for fault in faults if found.path in fault or any(shard.path in fault for shard in found.shards)]


def _select_entries(found: CheckpointVersion, globs: Sequence[str]) -> list[Entry]:
    matches = name_matcher(globs)
    every = [entry for shard in found.shards for entry in shard.manifest.parameters()]
    chosen = [entry for entry in every if any(map(matches, [entry.name or "", *tied_names(entry)]))]
    if globs and not chosen:
        refuse_globs(found.path)
    return chosen


def _read_metadata(shard: Shard, store: Store) -> Metadata:
    try:
        return read_metadata(shard.manifest, store)
    except ThetaError as error:
        return error.message


def _list_framed(shard: Shard, store: Store) -> Mapping[str, str]:
    with suppress(ThetaError):  # whoever reads the metadata says why
        return list_framed_values(shard.manifest, store)
    return {}
