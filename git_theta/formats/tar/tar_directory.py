"""Where the members of a tar archive lie, without trusting any of it.

Source: POSIX.1-2017, pax (ustar and pax headers); GNU tar's manual, "Basic Tar Format" (long names, numbers in base
256). ``tarfile`` does not serve: it takes a damaged header for the archive's end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Source

BLOCK_SIZE = 512
MAGIC_AT, MAGIC = 257, b"ustar"
_REGULAR = frozenset((b"0", b"\0", b"7"))
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL, _SPARSE = b"L", b"K", b"x", b"g", b"S"
_EMPTY_KINDS = frozenset((b"1", b"2", b"3", b"4", b"5", b"6"))
"""Links, devices, folders, pipes: no data follows them, whatever their size says."""
_MAX_MEMBERS = 100_000
_MAX_EXTENDED = 1 << 20
_BASE_256 = 0x80


class TarMember(NamedTuple):
    """A member of the archive: ``size`` bytes at ``offset``, none where it is no regular file.

    ``header_offset``: where its headers begin, the last of which ends where its bytes begin.
    """

    name: str
    offset: int
    size: int
    header_offset: int
    is_regular: bool


def read_tar_members(source: Source) -> Iterator[TarMember]:
    """The members of the archive, in its order.

    Raises FormatError where a header is damaged, a member reaches out of the file, or there are too many; and for
    sparse files, whose bytes are not where they belong.
    """
    at, seen, extended, first = 0, 0, dict[str, str](), 0
    while at + BLOCK_SIZE <= source.size:
        header = source.read(at, BLOCK_SIZE)
        if not any(header):
            return
        _require_intact(header, at)
        kind, size, start = header[156:157], _read_number(header[124:136]), at + BLOCK_SIZE
        if kind in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL):
            extended |= _read_extension(source, kind, start, size)
        else:
            size = _find_size(kind, size, extended)
            if start + size > source.size:
                raise FormatError("a member of the archive reaches out of the file")
            yield TarMember(_find_name(header, extended), start, size, first, kind in _REGULAR)
            extended, first = {}, start + -(-size // BLOCK_SIZE) * BLOCK_SIZE
        at = start + -(-size // BLOCK_SIZE) * BLOCK_SIZE
        seen += 1
        if seen > _MAX_MEMBERS:
            raise FormatError(f"the archive has more than {_MAX_MEMBERS} members")
    raise FormatError("the archive has no end: it is truncated")


def _require_intact(header: bytes, at: int) -> None:
    """Raise FormatError where the header's checksum, of bytes that may be taken for signed ones, is another."""
    blank = header[:148] + b" " * 8 + header[156:]
    told = _read_number(header[148:156])
    signed = sum(blank) - 256 * sum(byte > 127 for byte in blank)
    if told not in (sum(blank), signed):
        raise FormatError(f"the archive has no header at byte {at}")


def _find_size(kind: bytes, size: int, extended: dict[str, str]) -> int:
    if kind == _SPARSE or any(key.startswith("GNU.sparse") for key in extended):
        raise FormatError("the archive has a sparse file, whose bytes are not where they belong")
    if kind in _EMPTY_KINDS:
        return 0
    told = extended.get("size", str(size))
    if not (told.isascii() and told.isdecimal() and len(told) < 20):
        raise FormatError("a member of the archive has a size that is no number")
    return int(told)


def _find_name(header: bytes, extended: dict[str, str]) -> str:
    if "path" in extended:
        return extended["path"]
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0] if header[MAGIC_AT : MAGIC_AT + 6] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "surrogateescape")


def _read_extension(source: Source, kind: bytes, start: int, size: int) -> dict[str, str]:
    """What a header says of the member after it. What it says of all that follow is not followed."""
    if size > _MAX_EXTENDED:
        raise FormatError("a header of the archive is larger than is read")
    content = source.read(start, size)
    if kind == _LONG_NAME:
        return {"path": content.partition(b"\0")[0].decode("utf-8", "surrogateescape")}
    return dict(_split_records(content)) if kind == _PAX else {}


def _split_records(content: bytes) -> Iterator[tuple[str, str]]:
    """The records ``LENGTH KEY=VALUE`` of a pax header."""
    at = 0
    while at < len(content) and content[at]:
        length, space, _ = content[at : at + 20].partition(b" ")
        if not space or not length.isdigit() or not len(length) + 1 < int(length) <= len(content) - at:
            raise FormatError("a header of the archive is damaged")
        record = content[at + len(length) + 1 : at + int(length)]
        key, _, value = record.rstrip(b"\n").decode("utf-8", "surrogateescape").partition("=")
        yield key, value
        at += int(length)


def _read_number(field: bytes) -> int:
    """A number in octal digits, or in base 256 where its first bit is set. Raises FormatError."""
    if field[0] & _BASE_256:
        return int.from_bytes(bytes([field[0] & ~_BASE_256]) + field[1:], "big")
    digits = field.partition(b"\0")[0].strip()
    if not all(digit in b"01234567" for digit in digits):
        raise FormatError("a header of the archive has a number that is none")
    return int(digits or b"0", 8)
