"""The line of a parameter as nearly all are: a name in ASCII, no views, no update bases, no unknown keys.

A pattern tells that such a line is in its one valid encoding, and its values can be read off: in a fifth of the time
that parsing JSON and encoding it again take, which in a diff of two thousand lines is a third of all there is to do.
"""

from __future__ import annotations

import re
from functools import lru_cache
from sys import intern

from git_theta.manifest.model import Entry, Place, Storage
from git_theta.manifest.storage_json import plain_coding

_NUMBER = "(?:0|[1-9][0-9]{0,17})"  # none of them reaches 2 ** 63
_OID = "([0-9a-f]{64})"
_LINE = re.compile(
    r'\{"name":"([ !#-\[\]-~]+)","dtype":"([A-Za-z0-9_]+)","shape":\[((?:N(?:,N){0,63})?)\],"size":(N),"oid":"O",'
    r'"storage":\{"update":"([a-z_]+)","serializer":"([a-z_]+)","object":"O","bytes":(N)(?:,"range":\[(N),(N)\])?\}\}'
    .replace("N", _NUMBER).replace('"O"', f'"{_OID}"')
)  # fmt: skip


def parse_common_line(line: bytes) -> Entry | None:
    """The parameter that a line stands for; None for any other line, and for one that may not be valid."""
    found = _LINE.fullmatch(line.decode(errors="replace"))
    if found is None:
        return None
    name, dtype, shape, size, oid, update, serializer, holder, bytes_, offset, length = found.groups()
    total, inside = _number(bytes_), (int(offset), _number(length)) if offset else None
    if inside and inside[0] + inside[1] > total:
        return None
    place = Place(intern(holder), total, inside)
    # What is the same in many lines is one object for all of them: half of the memory that they take.
    storage = Storage(plain_coding(update, serializer), place)
    return Entry(oid, _number(size), storage, intern(name), intern(dtype), _parse_shape(shape))


def format_common_line(entry: Entry) -> bytes | None:
    """The line of a parameter, with its newline; None where ``parse_common_line`` would not take it."""
    coding, place, extra = entry.storage
    if entry.views or entry.extra or extra or coding.chain or coding.options or place.rest or entry.name is None:
        return None
    where = "" if place.range is None else f',"range":[{place.offset},{place.size}]'
    line = (
        f'{{"name":"{entry.name}","dtype":"{entry.dtype}","shape":[{",".join(map(str, entry.shape))}],'
        f'"size":{entry.size},"oid":"{entry.oid}","storage":{{"update":"{coding.update}",'
        f'"serializer":"{coding.serializer}","object":"{place.object}","bytes":{place.bytes}{where}}}}}'
    )
    # The pattern has no quote within quotes: what it takes is what was put in, whatever that was.
    fits = place.offset + place.size <= place.bytes and _LINE.fullmatch(line)
    return f"{line}\n".encode() if fits else None


_number = lru_cache(1 << 12)(int)


@lru_cache(1 << 12)
def _parse_shape(dimensions: str) -> tuple[int, ...]:
    return tuple(map(int, dimensions.split(","))) if dimensions else ()
