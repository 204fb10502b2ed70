"""The line of a parameter as nearly all are: a name in ASCII, no views, no options, no unknown keys.

A pattern tells that such a line is in its one valid encoding, and its values can be read off: in a fifth of the time
that parsing JSON and encoding it again take, which in a diff of two thousand lines is a third of all there is to do.
"""

from __future__ import annotations

import re
from functools import lru_cache
from sys import intern

from git_theta.manifest.model import Coding, Entry, Place, Storage, UpdateBase
from git_theta.manifest.storage_json import check_chain, plain_coding

_NUMBER = "(?:0|[1-9][0-9]{0,17})"  # none of them reaches 2 ** 63
_OID = "([0-9a-f]{64})"
_VALUES = (
    r'"dtype":"([A-Za-z0-9_]+)","shape":\[((?:N(?:,N){0,63})?)\],"size":(N),"oid":"O"'
    .replace("N", _NUMBER).replace('"O"', f'"{_OID}"')
)  # fmt: skip
_PAYLOAD = (
    r'"update":"([a-z_]+)","serializer":"([a-z_]+)","object":"O","bytes":(N)(?:,"range":\[(N),(N)\])?'
    .replace("N", _NUMBER).replace('"O"', f'"{_OID}"')
)  # fmt: skip
_LINE = re.compile(
    rf'\{{"name":"([ !#-\[\]-~]+)",{_VALUES},"storage":\{{{_PAYLOAD}(?:,"chain":\[\{{(?P<links>.+)\}}\])?\}}\}}'
)
_LINK = re.compile(f"{_VALUES},{_PAYLOAD}")
_BETWEEN_LINKS = "},{"  # which stands within none


def parse_common_line(line: bytes) -> Entry | None:
    """The parameter that a line stands for; None for any other line, and for one that may not be valid.

    Raises ValueError for a chain that no writer writes.
    """
    found = _LINE.fullmatch(line.decode(errors="replace"))
    if found is None:
        return None
    name, dtype, shape, size, oid, update, serializer, holder, bytes_, offset, length, links = found.groups()
    place, coding = _parse_place(holder, bytes_, offset, length), plain_coding(update, serializer)
    chain = _parse_chain(links) if links else ()
    if place is None or chain is None:
        return None
    storage = Storage(coding._replace(chain=chain) if chain else coding, place)
    if chain:
        check_chain(oid, storage)
    # What is the same in many lines is one object for all of them: half of the memory that they take.
    return Entry(oid, _number(size), storage, intern(name), intern(dtype), _parse_shape(shape))


def format_common_line(entry: Entry) -> bytes | None:
    """The line of a parameter, with its newline; None where ``parse_common_line`` would not take it.

    Raises ValueError for a chain that no writer writes.
    """
    storage, chain = entry.storage, entry.storage.coding.chain
    links = list(map(_format_link, chain))
    chain_text = _BETWEEN_LINKS.join(links)
    is_plain = entry.name is not None and not (entry.views or entry.extra or storage.extra)
    if not is_plain or not all(links) or not _fits(storage.coding, storage.place):
        return None
    payload = _format_payload(storage.coding, storage.place)
    if chain:
        check_chain(entry.oid, storage)
        payload += f',"chain":[{{{chain_text}}}]'
    line = f'{{"name":"{entry.name}",{_format_values(entry)},"storage":{{{payload}}}}}'
    # What stands before the links is what was put in, whatever that was: the pattern has no quote within quotes there.
    # So are the links, where they are the ones that were put in: a name could spell the start of a line.
    found = _LINE.fullmatch(line)
    return f"{line}\n".encode() if found and (found["links"] or "") == chain_text else None


def _format_link(link: UpdateBase) -> str:
    """What stands for it between the braces; "" where it is no common one."""
    text = f"{_format_values(link)},{_format_payload(link.coding, link.place)}"
    return text if not link.extra and _fits(link.coding, link.place) and _LINK.fullmatch(text) else ""


def _fits(coding: Coding, place: Place) -> bool:
    """Whether a pattern tells all of them."""
    return not coding.options and not place.rest and place.offset + place.size <= place.bytes


def _format_values(part: Entry | UpdateBase) -> str:
    shape = ",".join(map(str, part.shape))
    return f'"dtype":"{part.dtype}","shape":[{shape}],"size":{part.size},"oid":"{part.oid}"'


def _format_payload(coding: Coding, place: Place) -> str:
    where = "" if place.range is None else f',"range":[{place.offset},{place.size}]'
    return (
        f'"update":"{coding.update}","serializer":"{coding.serializer}",'
        f'"object":"{place.object}","bytes":{place.bytes}{where}'
    )


def _parse_chain(links: str) -> tuple[UpdateBase, ...] | None:
    """The update bases that a chain stands for; None where one is no common one."""
    chain = []
    for link in links.split(_BETWEEN_LINKS):
        found = _LINK.fullmatch(link)
        if found is None:
            return None
        dtype, shape, size, oid, update, serializer, *where = found.groups()
        place = _parse_place(*where)
        if place is None:
            return None
        chain.append(
            UpdateBase(oid, _number(size), intern(dtype), _parse_shape(shape), plain_coding(update, serializer), place)
        )
    return tuple(chain)


def _parse_place(holder: str, bytes_: str, offset: str | None, length: str) -> Place | None:
    """Where a payload is; None where a range reaches beyond its object."""
    total, inside = _number(bytes_), (int(offset), _number(length)) if offset else None
    if inside and inside[0] + inside[1] > total:
        return None
    return Place(intern(holder), total, inside)


_number = lru_cache(1 << 12)(int)


@lru_cache(1 << 12)
def _parse_shape(dimensions: str) -> tuple[int, ...]:
    return tuple(map(int, dimensions.split(","))) if dimensions else ()
