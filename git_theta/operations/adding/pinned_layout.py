"""The layout of a file is that which the index has for it, as long as that fits.

So a format that comes, goes or learns something changes nothing for files that did not change: `git status` stays
clean, and nothing is kept whole that was split. That holds for a format that a person chooses (``theta-format``), too.
`git add --renormalize` lays out anew.
"""

from __future__ import annotations

import hashlib
from itertools import zip_longest

from git_theta.errors import ChangedFile, ThetaError
from git_theta.formats.base import Span
from git_theta.formats.detect import OPAQUE, Detection, detect_format, read_chosen
from git_theta.manifest.model import Manifest
from git_theta.operations.context import Context
from git_theta.operations.streams import HEAD_SIZE, RandomAccess
from git_theta.tensors.arrays import BLOCK


def find_layout(source: RandomAccess, path: str, prior: Manifest | None, context: Context) -> Detection:
    """The format and the spans of a file.

    Args:
        source: the file.
        path: what it is called.
        prior: what the index holds for it.
        context: what to work with.
    """
    chosen = context.chosen_format(path)
    if chosen:
        found = read_chosen(chosen, source)
    else:
        found = detect_format(source, source.read(0, min(HEAD_SIZE, source.size)), path)
    if prior is None or _is_layout_of(prior, found) or not context.pins_layout():
        return found
    spans = _spans_as_in(prior, source, context)
    if spans is not None:
        return Detection(prior.format, spans, defects=found.defects, is_chosen=found.is_chosen)
    if prior.format != OPAQUE == found.format and not found.problem and not found.is_chosen:
        return found._replace(problem=f"the index has it by parameters, as {prior.format}, and nothing finds these now")
    return found


def _is_layout_of(prior: Manifest, found: Detection) -> bool:
    """Whether the parameters of the index have the names, specs and views of the spans that were found, in order."""
    return prior.format == found.format and all(
        entry is not None
        and span is not None
        and (entry.name, entry.dtype, entry.shape) == (span.name, span.spec.dtype.name, span.spec.shape)
        and [view.name for view in entry.views] == [view.name for view in span.views]
        for entry, span in zip_longest(prior.parameters(), found.spans)
    )


def _spans_as_in(prior: Manifest, source: RandomAccess, context: Context) -> tuple[Span, ...] | None:
    """The spans that the index names, where all bytes around them are the same; nothing is fetched for that."""
    if source.size != prior.size:
        return None
    from git_theta.operations.restoring.restore import read_runs  # for a file that the index has, and not sooner
    from git_theta.operations.templates import checked_spec, span_views

    spans: list[Span] = []
    offset = 0
    try:
        for run, entry in zip(read_runs(prior, context), (*prior.entries, None), strict=True):
            if run and source.read(offset, len(run)) != run:
                return None
            offset += len(run)
            if entry and entry.name is not None:
                spans.append(Span(entry.name, checked_spec(entry), offset, entry.size, span_views(entry)))
            elif entry and _hash_range(source, offset, entry.size) != entry.oid:
                return None
            offset += entry.size if entry else 0
    except ChangedFile:
        raise
    except ThetaError:  # not here, damaged, or of a newer release
        return None
    return tuple(spans)


def _hash_range(source: RandomAccess, offset: int, size: int) -> str:
    digest = hashlib.sha256()
    for start in range(0, size, BLOCK):
        digest.update(source.read(offset + start, min(BLOCK, size - start)))
    return digest.hexdigest()
