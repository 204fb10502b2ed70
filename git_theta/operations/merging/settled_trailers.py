"""The trailers of a merge whose conflicts are settled some at a time: what is said of a strategy adds up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from git_theta.merging.planning.decisions import CONTESTED_STATES
from git_theta.operations.merging.merge_report import TRAILER, quote_path, record_merge, trailers
from git_theta.operations.merging.merge_results import MergeResult

_COUNTED = re.compile(rf"({TRAILER}: .+) (\d+) (contested of \d+|of the frame)")


def add_up_trailers(before: Sequence[str], settled: Mapping[str, MergeResult]) -> list[str]:
    """The trailers that a message has of this key, with those of what was settled since.

    Args:
        before: the lines.
        settled: by path, what came of a file. One that is settled from the start again is told anew.
    """
    added = trailers(record_merge(path, merged) for path, merged in settled.items())
    counts: Counter[tuple[str, str]] = Counter()
    for line in (*_keep_lines(before, settled), *added):
        found = _COUNTED.fullmatch(line)
        counts[(found[1], found[3]) if found else (line, "")] += int(found[2]) if found else 1
    return [f"{words} {count} {rest}" if rest else words for (words, rest), count in counts.items()]


def _keep_lines(lines: Sequence[str], settled: Mapping[str, MergeResult]) -> Iterator[str]:
    anew = [path for path, merged in settled.items() if not _was_settled_before(merged)]
    starts = tuple([f"{TRAILER}: {quote_path(path)} " for path in anew])
    return (line for line in lines if not line.startswith(starts))


def _was_settled_before(merged: MergeResult) -> bool:
    """Whether something of it was settled by another command."""
    plan, here = merged.plan, {item.decision.name for item in merged.applied}
    decisions = (one for one in (*plan.decisions, plan.frame) if one.state in CONTESTED_STATES)
    names = {one.name for one in decisions if one.source is not None} | set(merged.frame_sources or ())
    return not names <= here
