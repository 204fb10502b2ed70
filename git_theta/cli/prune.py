"""``git theta prune``: let a remote free the space of versions that no ref of it holds any more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import click

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.errors import UsageError
from git_theta.repository.sharing.pointer_thinning import plan_thinning, thin_pointers
from git_theta.repository.sharing.remote_pruning import plan_pruning, prune_objects
from git_theta.repository.stores.opening import open_context, share_passwords
from git_theta.repository.stores.remote_transports import open_remote
from git_theta.transport.base import Transport
from git_theta.transport.urls import local_path, redact_url
from git_theta.vcs import remotes
from git_theta.vcs.config import parse_expiry
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.words import humanize_size, pluralize


class _Offer(NamedTuple):
    """What could be dropped at a URL: oid to size.

    Attributes:
        noun: what goes, a pointer or an object.
        dropped, kept: what would go, and what would stay.
        young: how much of that stays for its age alone.
        remark: what there is to know beforehand, or "".
        carry_out: drops what was agreed to, and returns what went.
        after: what is to be said then.
    """

    noun: str
    dropped: Mapping[str, int]
    kept: Mapping[str, int]
    young: int
    remark: str
    carry_out: Callable[[], Mapping[str, int]]
    after: str


@click.command
@click.option("--remote", is_flag=False, flag_value="origin", metavar="[REMOTE]", help="Whose (origin).")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be dropped, and drop nothing.")
@click.option("--expire", default="2.weeks.ago", metavar="DATE", help="Keep what is younger (default 2.weeks.ago).")
@click.option("--not-shared", is_flag=True, help="Say that no other repository has objects in the same place.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
def command(remote: str | None, dry_run: bool, expire: str, not_shared: bool, yes: bool, as_json: bool) -> None:
    """Drop what versions need that none of a remote's refs holds any more.

    Through Git LFS these are pointers: the host then frees the space when it collects garbage. Elsewhere (a bucket, a
    Git server without LFS) it is the objects themselves. Asks before it drops anything. Nothing is deleted here: that
    is git theta gc.
    """
    if remote is None:
        raise UsageError(
            "prune is for what a remote has, and is told of which one",
            hint="A remote: git theta prune --remote\nObjects here that nothing needs: git theta gc",
        )
    repository = discover_repository()
    moment = parse_expiry(expire)
    urls = remotes.require_push_urls(remote)
    told = []
    with share_passwords(repository), open_context(repository, boundary.warn) as context:
        for url in urls:
            with open_remote(remote, url, repository, context.store, push=True, tell=boundary.warn) as transport:
                offer = (
                    _offer_objects(remote, urls, moment, repository, transport)
                    if transport.drops_objects
                    else _offer_pointers(remote, url, moment, repository)
                )
                if not as_json:
                    echo_line(_describe_offer(remote, offer))
                if local_path(url) is not None and not (transport.drops_objects or transport.needs_pointers):
                    boundary.say_hint("Objects that nothing there needs: git theta gc, in that repository")
                dropped = offer.dropped
                if dropped and not dry_run:
                    if transport.is_shared and not not_shared:
                        raise _shared_error(remote)
                    dropped = _carry_out(remote, offer, yes=yes)
            told.append(_describe_json(url, offer, dropped, done=not dry_run))
    if as_json:
        echo_json(told)


def _offer_pointers(remote: str, url: str, moment: int, repository: Repository) -> _Offer:
    plan = plan_thinning(remote, url, moment, repository, boundary.warn)
    dropped, kept = plan.dropped, plan.kept

    def carry_out() -> Mapping[str, int]:
        return thin_pointers(remote, url, moment, repository, dropped.keys(), boundary.warn)

    young = len(kept.keys() - plan.needed.keys())
    return _Offer("pointer", dropped, kept, young, "", carry_out, "; the host frees the space when it cleans up")


def _offer_objects(
    remote: str, urls: Sequence[str], moment: int, repository: Repository, transport: Transport
) -> _Offer:
    versions = list(dict.fromkeys([*urls, *filter(None, [remotes.remote_urls().get(remote)])]))
    plan = plan_pruning(remote, versions, moment, repository, transport, boundary.warn)

    def carry_out() -> Mapping[str, int]:
        return prune_objects(remote, versions, moment, repository, transport, plan.dropped.keys(), boundary.warn)

    young = len(plan.kept.keys() - plan.needed.keys())
    remark = "" if plan.tells_ages else f"{remote} does not say how old they are: see that nobody pushes meanwhile"
    return _Offer("object", plan.dropped, plan.kept, young, remark, carry_out, "")


def _carry_out(remote: str, offer: _Offer, *, yes: bool) -> Mapping[str, int]:
    """Drop what is offered, if the person says so."""
    if offer.remark:
        boundary.say(offer.remark)
    _require_word(f"Drop {pluralize(len(offer.dropped), offer.noun)} on {remote}?", yes)
    dropped = offer.carry_out()
    boundary.say(f"dropped {pluralize(len(dropped), offer.noun)}{offer.after}")
    return dropped


def _describe_offer(remote: str, offer: _Offer) -> str:
    dropped, kept = offer.dropped, offer.kept
    if not dropped and not kept:
        return f"{remote} has no {offer.noun}s: there is nothing to drop"
    aside = f", {offer.young:,} of them for their age alone" if offer.young else ""
    return (
        f"{remote} has {pluralize(len(dropped) + len(kept), offer.noun)}: "
        f"{len(kept):,} stay ({humanize_size(sum(kept.values()))}{aside}), "
        f"{len(dropped):,} that no ref needs would go ({humanize_size(sum(dropped.values()))})"
    )


def _describe_json(url: str, offer: _Offer, dropped: Mapping[str, int], *, done: bool) -> dict[str, Any]:
    number = "pointers" if offer.noun == "pointer" else "number"
    return {
        "url": redact_url(url),
        "what": f"{offer.noun}s",
        "done": done,
        "dropped": {number: len(dropped), "bytes": sum(dropped.values()), "objects": sorted(dropped)},
        "kept": {number: len(offer.kept), "bytes": sum(offer.kept.values()), "young": offer.young},
    }


def _shared_error(remote: str) -> UsageError:
    return UsageError(
        f"{remote} keeps its objects in a place where those of other repositories may lie, too",
        hint="What only they need would go, too. Where there are none: --not-shared",
    )


def _require_word(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody is here to be asked", hint="Say so beforehand: --yes. What it would do: --dry-run")
    click.confirm(question, abort=True, err=True)
