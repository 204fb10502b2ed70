"""The token book of a version: what was trained on along its first parents, and on the branches that were merged."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from git_theta.errors import UsageError
from git_theta.operations.comparing.token_counts import (
    DATA_KEY,
    SEEN_KEY,
    DataSet,
    DataUse,
    TokenEntry,
    accumulate_worth,
    add_uses,
    parse_entry,
)
from git_theta.vcs.commit_trailers import TrailedCommit, read_trailers
from git_theta.vcs.commits import shallow_boundary
from git_theta.vcs.heads import Head, resolve_head


class BranchBook(NamedTuple):
    """What one line of first parents was trained on.

    Attributes:
        tip: the id of its last commit.
        subject: the first line of that commit's message.
        merge: the commit that merged it; None for the line of the version itself.
        uses: what was seen, by data set.
    """

    tip: str
    subject: str
    merge: str | None
    uses: tuple[DataUse, ...]


class TokenStep(NamedTuple):
    """A commit of the version's own line that was trained, and D' up to it; None where some tokens are of no data set.

    ``entry`` is what it says itself.
    """

    commit: str
    entry: TokenEntry
    effective: float | None


class TokenFault(NamedTuple):
    """A commit whose trailers were not counted, and why."""

    commit: str
    reason: str


class TokenBook(NamedTuple):
    """All that is known of the tokens of a version.

    Attributes:
        version: what was asked for.
        branches: its own line first, then each that was merged into it and has tokens.
        union: every data set once, with the tokens seen of it on all of them.
        faults: what was not counted.
        is_cut: whether a shallow clone hides the beginning.
        steps: the commits of its own line that have tokens, the oldest first.
    """

    version: Head
    branches: tuple[BranchBook, ...]
    union: tuple[DataUse, ...]
    faults: tuple[TokenFault, ...]
    is_cut: bool
    steps: tuple[TokenStep, ...]


def read_book(revision: str) -> TokenBook:
    """The book of a version. Raises UsageError for what is no commit."""
    version = resolve_head(revision)
    commits = {one.oid: one for one in read_trailers(version.commit, (SEEN_KEY, DATA_KEY))}
    reader = _EntryReader()
    branches, counted, steps = [], list[TokenEntry](), tuple[TokenStep, ...]()
    for merge, line in _walk_lines(version.commit, commits):
        said = [(commit.oid, entry) for commit in reversed(line) if (entry := reader.read(commit))]
        entries = [entry for _, entry in said]
        if merge is None:
            steps = tuple(TokenStep(*one, worth) for one, worth in zip(said, accumulate_worth(entries), strict=True))
        if merge is None or entries:
            branches.append(BranchBook(line[0].oid, line[0].subject, merge, add_uses(entries)))
            counted += entries
    is_cut = bool(shallow_boundary() & commits.keys())
    return TokenBook(version, tuple(branches), add_uses(counted), tuple(reader.faults), is_cut, steps)


class _EntryReader:
    """What commits say, and what of it was at fault; a data set has as many tokens as it was first said to have."""

    def __init__(self) -> None:
        self.faults: list[TokenFault] = []
        self._known: dict[str, DataSet] = {}

    def read(self, commit: TrailedCommit) -> TokenEntry | None:
        """The entry of a commit; None where it has none that counts."""
        try:
            entry = parse_entry(commit.trailers[SEEN_KEY], commit.trailers[DATA_KEY])
        except UsageError as error:
            self.faults.append(TokenFault(commit.oid, error.message))
            return None
        if entry is None or entry.data is None:
            return entry
        known = self._known.setdefault(entry.data.digest, entry.data)
        if known.unique != entry.data.unique:
            said = f"says that {known.name} has {entry.data.unique:,} tokens, and an earlier one that it has"
            self.faults.append(TokenFault(commit.oid, f"{said} {known.unique:,}, as is counted"))
        return entry._replace(data=known)


def _walk_lines(tip: str, commits: Mapping[str, TrailedCommit]) -> Iterator[tuple[str | None, Sequence[TrailedCommit]]]:
    """Lines of first parents, the newest commit first, each with what merged it; every commit is in one alone."""
    waiting: deque[tuple[str | None, str]] = deque([(None, tip)])
    seen: set[str] = set()
    while waiting:
        merge, oid = waiting.popleft()
        line: list[TrailedCommit] = []
        while oid in commits and oid not in seen:
            seen.add(oid)
            line.append(commits[oid])
            oid = next(iter(commits[oid].parents), "")
        for commit in reversed(line):
            waiting += [(commit.oid, parent) for parent in commit.parents[1:]]
        if line:
            yield merge, line
