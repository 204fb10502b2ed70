"""What torch's archive writer derives from the rest of the file, whatever is in the archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from git_theta.formats.base import Derived, Template
from git_theta.formats.template import TemplateSource
from git_theta.formats.zip.zip_derived import derive_checksums, derive_places
from git_theta.formats.zip.zip_directory import Member, read_directory

SERIALIZATION_ID = ".data/serialization_id"


def derive_archive(like: Template, find_prefix: Callable[[dict[str, Member]], str]) -> Iterator[Derived]:
    """CRCs, the folder in every name and what it moves, and ``.data/serialization_id``.

    torch calls the folder after the file that it writes to, perhaps a temporary one, and hashes the names and
    checksums of all members into the id. ``find_prefix``: finds that folder among the members.
    """
    members = read_directory(TemplateSource(like))
    prefix = find_prefix(members)
    yield from derive_checksums(like, members)
    yield from derive_places(like, members, prefix)
    stamp = members.get(f"{prefix}{SERIALIZATION_ID}")
    if stamp:
        yield Derived(stamp.offset, stamp.size)
