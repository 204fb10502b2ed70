"""``git theta push``: objects that a remote lacks, whatever Git believes it has."""

from __future__ import annotations

from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.cli.pre_push import push_with_progress
from git_theta.errors import UsageError
from git_theta.operations.keeping.inventory import ObjectUse, needed_objects
from git_theta.repository.history.stored_manifests import read_manifests
from git_theta.transport.urls import redact_url
from git_theta.vcs import blob_walks, remotes
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.revisions import commit_ids
from git_theta.words import pluralize


@click.command
@click.argument("remote", default="")
@click.argument("refs", nargs=-1, metavar="[REF]...")
@click.option("--all", "everything", is_flag=True, help="Those of all branches and tags (the default without a REF).")
@click.option("-n", "--dry-run", is_flag=True, help="Push nothing, and say what would be pushed.")
@click.option("--revalidate", is_flag=True, help="Read what is there, and put what is damaged there anew.")
@click.option("--pointers", is_flag=True, help="Write pointers of them, too, where REMOTE is not known to need any.")
@json_option
def command(remote: str, refs: tuple[str, ...], everything: bool, as_json: bool, **how: bool) -> None:
    """Put the objects of branches and tags on a remote.

    `git push` does that for the commits it sends. This is for a remote that has commits without their objects: pushed
    with --no-verify, from a repository without our hook, or by a mirror. Every version in the history of each REF is
    looked up there, and sent where it is not there. REMOTE is where `git push` goes, unless you say otherwise.
    """
    if everything and refs:
        raise UsageError("--all and a REF exclude each other")
    if how["revalidate"] and how["dry_run"]:
        raise UsageError("--revalidate moves what is damaged out of the way, and --dry-run nothing")
    repository = discover_repository()
    name = _require_remote(remote)
    needed = _needed_by(refs, repository)
    results: list[dict[str, Any]] = []
    for url in remotes.push_urls(name) if needed else ():
        sent = push_with_progress(needed, remotes.find_pushed_name(name, url), url, repository, **how)
        results.append({"url": redact_url(url), "objects": sent.objects, "bytes": sent.bytes})
    if as_json:
        echo_json({"remote": redact_url(name), "dry_run": how["dry_run"], "needed": len(needed), "urls": results})
    elif not any(result["objects"] for result in results):
        echo_line(f"{redact_url(name)} has all {pluralize(len(needed), 'object')}")


def _require_remote(given: str) -> str:
    """The remote, or URL, to push to. Raises UsageError where there is none of that name."""
    name = given or remotes.find_push_remote()
    names = remotes.remote_urls()
    if name not in names and not any(letter in name for letter in ":/"):
        remotes.refuse_unknown(name, names)
    return name


def _needed_by(refs: tuple[str, ...], repository: Repository) -> dict[str, ObjectUse]:
    """The objects of every version that these refs reach; all branches and tags where there is none."""
    tips = commit_ids(refs) if refs else blob_walks.ref_tips(repository.git_dir, "refs/heads", "refs/tags")
    return needed_objects(read_manifests(blob_walks.range_blobs(tips), boundary.warn_of)) if tips else {}
