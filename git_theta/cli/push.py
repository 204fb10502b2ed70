"""``git theta push``: objects that a remote lacks, whatever Git believes it has."""

from __future__ import annotations

import click

from git_theta.cli import boundary
from git_theta.cli.pre_push import push_with_progress
from git_theta.errors import UsageError
from git_theta.operations.keeping.inventory import needed_objects
from git_theta.repository.stored_manifests import read_manifests
from git_theta.vcs import blob_walks, remotes
from git_theta.vcs.discovery import discover_repository
from git_theta.words import pluralize


@click.command
@click.argument("remote", default="origin")
@click.option("--pointers", is_flag=True, help="Write pointers of them, too, where REMOTE is not known to need any.")
def command(remote: str, pointers: bool) -> None:
    """Put the objects of all branches and tags on a remote.

    `git push` does that for the commits it sends. This is for a remote that has commits without their objects: pushed
    with --no-verify, from a repository without our hook, or by a mirror. REMOTE is "origin" unless you say otherwise.
    """
    repository = discover_repository()
    names = remotes.remote_urls()
    if remote not in names:
        raise UsageError(f"no remote is called {remote!r}", hint=f"There are: {', '.join(names) or 'none'}.")
    tips = blob_walks.ref_tips(repository.git_dir)
    needed = needed_objects(read_manifests(blob_walks.unpushed_blobs([], tips), boundary.warn_of))
    urls = remotes.push_urls(remote) if needed else []
    if not sum(push_with_progress(needed, remote, url, repository, pointers=pointers).objects for url in urls):
        click.echo(f"{remote} has all {pluralize(len(needed), 'object')}")
