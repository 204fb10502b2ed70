"""Whether heads that have different frames really differ in anything but their parameters.

A torch archive writes checksums of its tensors into its frame, and every frame lists names and shapes. So frames differ
whenever parameters do, and ids cannot say more. A format can: a head's frame that comes out when the format rebuilds
the base's around that head's parameters holds nothing new, but for what a writer derives from all of the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from git_theta import registry
from git_theta.errors import FormatError
from git_theta.formats.base import Format, Part, Span, Template
from git_theta.manifest.model import Manifest
from git_theta.merging.plan import Plan, settle
from git_theta.operations.assemble import template
from git_theta.operations.desk import Desk


def framed(made: Plan, desk: Desk) -> tuple[Plan, bool]:
    """The plan with the frame of a head that says all that is to be said; and whether there is one.

    Where there is none, because more than one head changed what is no parameter, the plan keeps the first head's.
    Without a base nothing may differ: then the first head stands for it.
    """
    if made.whole or made.frame.source is not None:
        return made, True
    ancestor = made.base or made.heads[0]
    if {head.format for head in made.heads} != {ancestor.format}:
        return made, False
    reader: Format = registry.load("formats", made.format)()
    base = template(ancestor, desk)
    news = [index for index, head in enumerate(made.heads) if not _follows(template(head, desk), base, reader)]
    if len(news) > (1 if made.base else 0):
        return made, False
    return settle(made, {}, frame=news[0] if news else 0), True


def follows(after: Manifest, before: Manifest, desk: Desk) -> bool:
    """Whether a file is just what becomes of another one when its parameters change.

    Raises PluginError without the format, and what reading the frames raises (``assemble.template``).
    """
    if after.format != before.format:
        return False
    reader: Format = registry.load("formats", after.format)()
    return _follows(template(after, desk), template(before, desk), reader)


def _declared(checksums: Mapping[str, int], name: str) -> int:
    return checksums.get(name, 0)


def _follows(head: Template, base: Template, reader: Format) -> bool:
    """Whether a file is just what becomes of the base when its parameters change."""
    declared = reader.checksums(head)
    parts = [Part(span.name, span.spec, span.views, partial(_declared, declared, span.name)) for span in head.spans]
    try:
        built = _template(reader.build(parts, base), head.spans)
        return reader.comparable(built) == reader.comparable(head)
    except FormatError:
        return False


def _template(runs: Sequence[bytes], spans: Sequence[Span]) -> Template:
    """What was built, with its spans where they are now."""
    placed, offset = [], 0
    for run, span in zip(runs, spans, strict=False):
        offset += len(run)
        placed.append(span._replace(offset=offset))
        offset += span.size
    return Template(tuple(runs), tuple(placed))
