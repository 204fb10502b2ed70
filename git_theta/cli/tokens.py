"""``git theta tokens``: what a version was trained on, by the trailers of its commits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.listing import align_table, echo_json, json_option
from git_theta.cli.pager import print_paged
from git_theta.operations.comparing.token_counts import MANY_EPOCHS, DataUse
from git_theta.repository.history.token_books import BranchBook, TokenBook, read_book
from git_theta.vcs.discovery import discover_repository
from git_theta.words import escape_unprintable

_OID_DIGITS = 8
_COLUMNS = ("data", "seen", "unique", "epochs", "worth", "next epoch")
_EXIT_FAULTS = 1


@click.command("tokens")
@click.argument("revision", default="HEAD", metavar="[REVISION]")
@json_option
def command(revision: str, as_json: bool) -> int:
    """Show what a version was trained on.

    Commits say it in trailers: Tokens-Seen: N, and Data: NAME@DIGEST unique=N. Counted are those along first parents;
    branches that were merged are listed beside, and every data set once, by its digest. No loss is forecast.
    """
    discover_repository()
    book = read_book(revision)
    for fault in book.faults:
        boundary.warn(f"{fault.commit[:_OID_DIGITS]} {fault.reason}")
    if book.is_cut:
        boundary.warn("this clone is shallow: what came before is not counted", hint="git fetch --unshallow")
    if as_json:
        echo_json(_book_json(book))
    else:
        print_paged("".join(f"{escape_unprintable(line)}\n" for line in _render_book(book)))
    return _EXIT_FAULTS if book.faults else 0


def _render_book(book: TokenBook) -> Iterator[str]:
    own, *merged = book.branches
    yield f"tokens of {book.version.name}, along first parents"
    yield from _render_uses(own.uses)
    for branch in merged:
        yield ""
        yield f"merged by {(branch.merge or '')[:_OID_DIGITS]}: {branch.tip[:_OID_DIGITS]} {branch.subject}"
        yield from _render_uses(branch.uses)
    if merged:
        yield ""
        yield "data sets of all of them"
        yield from _render_table([row[:3] for row in (_COLUMNS, *map(_list_cells, book.union))])
    if any(use.is_repeated for branch in book.branches for use in branch.uses):
        yield ""
        yield f"* more than {MANY_EPOCHS} epochs: repeating it is worth less and less (constants of C4)"


def _render_uses(uses: Sequence[DataUse]) -> Iterator[str]:
    if not uses:
        yield "  no commit says how many tokens it has seen"
        return
    yield from _render_table([_COLUMNS, *map(_list_cells, uses)])


def _list_cells(use: DataUse) -> list[str]:
    if use.data is None or use.epochs is None or use.effective is None or use.next_epoch is None:
        return ["not said", f"{use.seen:,}", "", "", "", ""]
    mark = "*" if use.is_repeated else ""
    return [
        f"{use.data.name}@{use.data.digest}",
        f"{use.seen:,}",
        f"{use.data.unique:,}",
        f"{use.epochs:.3g}{mark}",
        f"{use.effective:,.0f}",
        f"{use.next_epoch:.0%}",
    ]


def _render_table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield from (f"  {line}" for line in align_table(rows))


def _book_json(book: TokenBook) -> dict[str, Any]:
    return {
        "revision": book.version.name,
        "commit": book.version.commit,
        "branches": list(map(_branch_json, book.branches)),
        "union": [_set_json(use) | {"seen": use.seen} for use in book.union],
        "faults": [fault._asdict() for fault in book.faults],
        "shallow": book.is_cut,
    }


def _branch_json(branch: BranchBook) -> dict[str, Any]:
    uses = list(map(_use_json, branch.uses))
    return {"tip": branch.tip, "subject": branch.subject, "merge": branch.merge, "data": uses}


def _set_json(use: DataUse) -> dict[str, Any]:
    return use.data._asdict() if use.data else {"name": None, "digest": None, "unique": None}


def _use_json(use: DataUse) -> dict[str, Any]:
    return {
        **_set_json(use),
        "seen": use.seen,
        "epochs": use.epochs,
        "effective": use.effective,
        "next_epoch": use.next_epoch,
        "repeated": use.is_repeated,
    }
