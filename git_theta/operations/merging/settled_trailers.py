"""The trailers of a merge whose conflicts are settled some at a time: what is said of a strategy adds up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from git_theta.merging.decisions import CONTESTED_STATES
from git_theta.operations.merging.merge_report import TRAILER, Record, quote_path, trailers

_COUNTED = re.compile(rf"({TRAILER}: .+) (\d+) contested of (\d+)")


def add_up_trailers(before: Sequence[str], records: Sequence[Record]) -> list[str]:
    """The trailers that a message has of this key, with those of what was settled since.

    Args:
        before: the lines.
        records: of the files that something was settled of. One that is settled from the start again is told anew.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for line in (*_keep_lines(before, records), *trailers(records)):
        if found := _COUNTED.fullmatch(line):
            counts[found[1], found[3]] += int(found[2])
    return [f"{words} {count} contested of {total}" for (words, total), count in counts.items()]


def _keep_lines(lines: Sequence[str], records: Sequence[Record]) -> Iterator[str]:
    begun_anew = tuple([f"{TRAILER}: {quote_path(one['path'])} " for one in records if not _was_settled_before(one)])
    return (line for line in lines if not line.startswith(begun_anew))


def _was_settled_before(record: Record) -> bool:
    """Whether something of it was settled by another command."""
    contested = {state.value for state in CONTESTED_STATES}
    return any(
        one["state"] in contested and one["strategy"] is None and one["left"] is None for one in record["parameters"]
    )
