"""A file around other tensors: built by its format, proved by laying it out again, its checksums put in.

Both are done here for every format, so that no file is written that would be cleaned to other parameters than were
merged, and none with a checksum of the tensor that was there before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from git_theta.errors import FormatError
from git_theta.formats.base import Derived, Part, Template
from git_theta.formats.guarded_format import GuardedFormat
from git_theta.formats.template import TemplateSource, find_misread, place_parts

Declare = Callable[[Part, str], bytes | None]
"""(part, name of a checksum) -> the checksum, where a file of this format declares it for the same values."""


def declare_nothing(part: Part, name: str) -> bytes | None:  # noqa: ARG001
    """No file is there that declares a checksum."""
    return None


def build_file(
    reader: GuardedFormat, parts: Sequence[Part], like: Template, declare: Declare = declare_nothing
) -> list[bytes]:
    """The literal bytes before each part, and after the last, of a valid file with exactly these tensors.

    Args:
        reader: the format.
        parts: the tensors, in the file's order. One is read only for a checksum that ``declare`` does not know.
        like: a file of the format to build like.
        declare: checksums that are known.

    Raises FormatError where no file of this format can hold the parts, PluginError where its code fails.
    """
    runs = reader.build(parts, like)
    built = place_parts(runs, parts)
    runs = _put_checksums(reader, parts, built, declare)
    if tuple(runs) != like.runs or built.spans != like.spans:
        wrong = find_misread(reader, Template(tuple(runs), built.spans))
        if wrong:
            reason = "no file of this kind can hold the parameter next to the others"
            raise FormatError(reason, parameter=wrong[0].name)
    return runs


def cut_derived(reader: GuardedFormat, like: Template) -> list[bytes]:
    """The runs of a file without what its writer derived: what a person may have meant, to be compared."""
    return TemplateSource(like).cut_ranges([(one.offset, one.size) for one in reader.find_derived(like)])


def read_checksums(reader: GuardedFormat, like: Template) -> dict[tuple[str, str], bytes]:
    """The checksums of single tensors that a file declares: by span's name and checksum's name. No tensor is read."""
    source = TemplateSource(like)
    return {
        (one.span, one.checksum.name): source.read(one.offset, one.size)
        for one in reader.find_derived(like)
        if one.checksum and not one.further
    }


def _put_checksums(reader: GuardedFormat, parts: Sequence[Part], built: Template, declare: Declare) -> list[bytes]:
    named = {part.name: part for part in parts}
    found: dict[tuple[str, ...], bytes] = {}
    patches: dict[int, bytes] = {}
    for one in reader.find_derived(built):
        if one.checksum:
            key = one.checksum.name, one.span, *one.further
            if key not in found:
                found[key] = _checksum_of(reader, one, [named[span] for span in (one.span, *one.further)], declare)
            patches[one.offset] = _require_size(reader, one, found[key])
    return TemplateSource(built).patch_runs(patches) if patches else list(built.runs)


def _checksum_of(reader: GuardedFormat, one: Derived, parts: Sequence[Part], declare: Declare) -> bytes:
    assert one.checksum
    known = None if one.further else declare(parts[0], one.checksum.name)
    return reader.compute_checksum(one.checksum, parts) if known is None else known


def _require_size(reader: GuardedFormat, one: Derived, checksum: bytes) -> bytes:
    if len(checksum) != one.size:
        raise FormatError(f"a {reader.name} checksum has {one.size} bytes in the file, not {len(checksum)}")
    return checksum
