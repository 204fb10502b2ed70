"""What a group of an HDF5 file links to: names and addresses.

Old groups have a symbol table (a B-tree whose leaves list names in a heap), new ones a message per link. Many links of
a new group lie in a fractal heap, which is not read.

Source: HDF5 File Format Specification 3.0, sections III.A.1, III.B, III.D, IV.A.2.c and IV.A.2.g.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.hdf5.hdf5_reader import Hdf5Reader, HeaderMessage

_LINK_INFO, _LINK, _SYMBOL_TABLE = 2, 6, 0x11
_HAS_ORDER, _HAS_KIND, _HAS_CHARSET = 4, 8, 0x10
_SYMBOL_REST = 24
"""Bytes of a symbol's entry after its two addresses."""


class GroupLinks(NamedTuple):
    """The hard links of a group; soft and external ones say nothing new.

    Attributes:
        links: name and address of an object header, in the group's order.
        is_complete: whether those are all.
    """

    links: list[tuple[str, int]]
    is_complete: bool


def is_group(messages: Sequence[HeaderMessage]) -> bool:
    """Whether an object is a group."""
    return any(message.kind in (_LINK_INFO, _LINK, _SYMBOL_TABLE) for message in messages)


def read_links(reader: Hdf5Reader, messages: Sequence[HeaderMessage]) -> GroupLinks:
    """The links of a group, by its header's messages. Raises FormatError where they are damaged, or a name is twice."""
    links: dict[str, int] = {}
    is_complete = True
    for message in messages:
        found: Iterator[tuple[str, int]] = iter(())
        if message.kind == _SYMBOL_TABLE and not message.is_shared:
            found = _read_symbols(reader, message.body)
        elif message.kind == _LINK and not message.is_shared:
            found = _parse_link(reader, message.body)
        elif message.kind == _LINK_INFO:
            is_complete = is_complete and not _has_heap(reader, message.body)
        for name, address in found:
            if links.setdefault(name, address) != address:
                raise FormatError(f"a group has two links called {name!a}")
    return GroupLinks(list(links.items()), is_complete)


def _has_heap(reader: Hdf5Reader, body: bytes) -> bool:
    at = 2 + (8 if len(body) > 1 and body[1] & 1 else 0)
    return reader.parse_offset(body, at) is not None


def _parse_link(reader: Hdf5Reader, body: bytes) -> Iterator[tuple[str, int]]:
    if len(body) < 4 or body[0] != 1:
        raise FormatError("a link has a version that is not read")
    flags = body[1]
    is_hard = not flags & _HAS_KIND or body[2] == 0
    at = 2 + bool(flags & _HAS_KIND) + (8 if flags & _HAS_ORDER else 0) + bool(flags & _HAS_CHARSET)
    width = 1 << (flags & 3)
    size = int.from_bytes(body[at : at + width], "little")
    name = body[at + width : at + width + size]
    if len(name) < size:
        raise FormatError("a link's name is cut")
    address = reader.parse_offset(body, at + width + size) if is_hard else None
    if address is not None:
        yield _decode_name(name), address


def _read_symbols(reader: Hdf5Reader, table: bytes) -> Iterator[tuple[str, int]]:
    tree, heap = reader.parse_offset(table, 0), reader.parse_offset(table, reader.offset_size)
    if tree is None:
        return
    names = _read_heap(reader, heap)
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        signature = reader.read(node, 8)
        if signature.startswith(b"SNOD\1"):
            yield from _read_leaf(reader, node, int.from_bytes(signature[6:8], "little"), names)
        elif signature.startswith(b"TREE\0"):
            waiting.extend(reversed(_read_children(reader, node, int.from_bytes(signature[6:8], "little"))))
        else:
            raise FormatError(f"there is no node of a group's B-tree at byte {node}")


def _read_children(reader: Hdf5Reader, node: int, count: int) -> list[int]:
    """The addresses below a node of a B-tree: each stands after a key."""
    start = node + 8 + 2 * reader.offset_size
    stride = reader.length_size + reader.offset_size
    content = reader.read(start, count * stride)
    found = [reader.parse_offset(content, index * stride + reader.length_size) for index in range(count)]
    return [address for address in found if address is not None]


def _read_leaf(reader: Hdf5Reader, node: int, count: int, names: bytes) -> Iterator[tuple[str, int]]:
    stride = 2 * reader.offset_size + _SYMBOL_REST
    content = reader.read(node + 8, count * stride)
    for at in range(0, count * stride, stride):
        name, address = reader.parse_offset(content, at), reader.parse_offset(content, at + reader.offset_size)
        end = names.find(b"\0", name) if name is not None else -1
        if end < 0:
            raise FormatError("a group's link has no name")
        if address is not None:
            yield _decode_name(names[name:end]), address


def _read_heap(reader: Hdf5Reader, heap: int | None) -> bytes:
    """The names of a group."""
    head = reader.read(heap, 8 + 2 * reader.length_size + reader.offset_size)
    if not head.startswith(b"HEAP\0"):
        raise FormatError(f"there is no heap of names at byte {heap}")
    size = reader.parse_length(head, 8)
    return reader.read(reader.parse_offset(head, 8 + 2 * reader.length_size), size)


def _decode_name(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise FormatError("a link's name is not UTF-8") from error
