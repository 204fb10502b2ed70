"""What becomes of the attributes files of a history: lines of another filter are exchanged, lines are added."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from typing import NamedTuple

from git_theta.errors import UsageError
from git_theta.repository.migrating.default_patterns import LARGEST_ATTRIBUTES, folder_of
from git_theta.repository.migrating.history_survey import HistorySurvey
from git_theta.vcs.attribute_files.attribute_lines import ATTRIBUTES, append_lines
from git_theta.vcs.attribute_files.attribute_rewriting import (
    LFS_ATTRIBUTES,
    NO_ATTRIBUTES,
    anchor_pattern,
    drop_exclusions,
    exchange_attributes,
    list_filtered,
)
from git_theta.vcs.attribute_files.pattern_matching import match_patterns
from git_theta.vcs.blobs import read_wanted_blobs
from git_theta.vcs.discovery import Repository
from git_theta.vcs.fast_export import ATTRIBUTES_NAME


class FilterExchange(NamedTuple):
    """The attributes of files before and after; none, where Git is to hold them as they are."""

    old: tuple[bytes, ...]
    new: tuple[bytes, ...]


FROM_LFS = FilterExchange(LFS_ATTRIBUTES, ATTRIBUTES)
TO_LFS = FilterExchange(ATTRIBUTES, LFS_ATTRIBUTES)
TO_NONE = FilterExchange(ATTRIBUTES, ())


class ChosenPatterns(NamedTuple):
    """Which files are meant, by patterns of the top. ``complete``: every file that the old filter has."""

    include: Sequence[bytes]
    exclude: Sequence[bytes]
    complete: bool


class AttributeChanges(NamedTuple):
    """What is done to attributes files.

    Attributes:
        exchange: from what to what.
        patterns: attributes file to those of its patterns whose lines are exchanged.
        appended: lines for the file at the top, wherever a file that was converted is below it.
        contents: what the attributes files of the history hold, by blob.
    """

    exchange: FilterExchange
    patterns: Mapping[bytes, Collection[bytes]]
    appended: Sequence[tuple[Sequence[bytes], tuple[bytes, ...]]]
    contents: Mapping[str, bytes]

    def rewrite(self, path: bytes, blob: bytes | None, *, tracked: bool) -> bytes | None:
        """What an attributes file holds instead of a blob (None: instead of no file at all); None for no file.

        ``tracked``: something that was converted is in this commit, or was before it.
        """
        given = self.contents[blob.decode()] if blob else b""
        content = exchange_attributes(given, self.patterns.get(path, ()), *self.exchange)
        if path == ATTRIBUTES_NAME:
            for patterns, states in self.appended if tracked else ():
                content = append_lines(content, patterns, states)
            content = content if self.exchange.new else drop_exclusions(content)
        return None if not content and (given or blob is None) else content


def plan_attribute_changes(
    survey: HistorySurvey, chosen: ChosenPatterns, exchange: FilterExchange, repository: Repository
) -> AttributeChanges:
    """What is to be done to the attributes files of a history, so that all versions of the chosen files are filtered.

    A line is exchanged where all that it ever matched is chosen. Where that is not so, lines at the end of the file at
    the top have the last word. Raises UsageError where those cannot have it: in a folder below.
    """
    contents = read_wanted_blobs((blob.decode() for _, blob in survey.attributes), lambda _: True, LARGEST_ATTRIBUTES)
    _require_readable(survey, contents)
    lines = sorted(
        {
            (path, pattern)
            for path, blob in survey.attributes
            for pattern in list_filtered(contents[blob.decode()], exchange.old[0])
        }
    )
    anchored = [anchor_pattern(folder_of(path), pattern) for path, pattern in lines]
    exchanged: dict[bytes, set[bytes]] = defaultdict(set)
    left: set[bytes] = set()
    for (path, pattern), whole, matched in zip(
        lines, anchored, match_patterns(anchored, survey.paths, repository), strict=True
    ):
        if matched <= survey.versions.keys() and (matched or chosen.complete or whole in chosen.include):
            exchanged[path].add(pattern)
        else:
            left |= matched
            _require_at_top(path, pattern, matched & survey.versions.keys())
    appended = _choose_appended(survey, chosen, exchange, left, repository)
    return AttributeChanges(exchange, exchanged, appended, contents)


def _choose_appended(
    survey: HistorySurvey, chosen: ChosenPatterns, exchange: FilterExchange, left: Set[bytes], repository: Repository
) -> list[tuple[Sequence[bytes], tuple[bytes, ...]]]:
    """The lines at the end: for what is chosen, then for what is not and has its old filter, or none, as it had."""
    if exchange != FROM_LFS and not left & survey.versions.keys():
        return []
    excluded = match_patterns(chosen.exclude, survey.paths, repository) if chosen.exclude else []
    return [
        (chosen.include, exchange.new or NO_ATTRIBUTES),
        *(
            ([pattern], exchange.old if matched & left else NO_ATTRIBUTES)
            for pattern, matched in zip(chosen.exclude, excluded, strict=True)
        ),
    ]


def _require_at_top(path: bytes, pattern: bytes, chosen: Set[bytes]) -> None:
    if chosen and path != ATTRIBUTES_NAME:
        raise UsageError(
            f"its line for {os.fsdecode(pattern)!r} is for {os.fsdecode(min(chosen))}, and for files left out",
            hint="Take all of them: --include; or none: --exclude.",
            path=os.fsdecode(path),
        )


def _require_readable(survey: HistorySurvey, contents: Mapping[str, bytes]) -> None:
    for (path, blob), commit in survey.attributes.items():
        if blob.decode() not in contents:
            raise UsageError(f"is not here, or too large, as commit {commit.decode()} has it", path=os.fsdecode(path))
