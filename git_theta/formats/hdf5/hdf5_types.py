"""Element types of HDF5 datasets as dtypes.

Source: HDF5 File Format Specification 3.0, section IV.A.2.d; the documentation of h5py for bool and complex.
"""

from __future__ import annotations

import struct

_FIXED, _FLOAT, _COMPOUND, _ENUM = 0, 1, 6, 8
_INTEGERS = {(size, signed): f"{'I' if signed else 'U'}{8 * size}" for size in (1, 2, 4, 8) for signed in (False, True)}
_FLOATS = {
    (2, 15, 10, 5, 0, 10, 15): "F16",
    (2, 15, 7, 8, 0, 7, 127): "BF16",
    (4, 31, 23, 8, 0, 23, 127): "F32",
    (8, 63, 52, 11, 0, 52, 1023): "F64",
    (1, 7, 3, 4, 0, 3, 7): "F8_E4M3",
    (1, 7, 2, 5, 0, 2, 15): "F8_E5M2",
}
"""By size in bytes, places of sign and exponent, bits of it, place and bits of the fraction, and bias."""
_HEAD = struct.Struct("<B3BL")
_FLOAT_PROPERTIES = struct.Struct("<2H4BL")
_BIG_ENDIAN = 0x41
_IMPLIED_BIT = 0x20
_COMPLEX = {("F16", 4): "C32", ("F32", 8): "C64", ("F64", 16): "C128"}
_BOOLS = (b"FALSE\0\0\0TRUE\0\0\0\0\0\1", b"FALSE\0TRUE\0\0\1")
"""Names and values of h5py's enumeration, padded (versions 1 and 2) and not."""


def name_dtype(message: bytes) -> str:
    """The dtype that a datatype message means; "" where it is no number, or not one in little-endian order."""
    if len(message) < _HEAD.size:
        return ""
    kind, first, second, _, size = _HEAD.unpack_from(message)
    properties = message[_HEAD.size :]
    if kind & 15 == _FIXED:
        return _name_integer(first, size, properties)
    if kind & 15 == _FLOAT:
        return _name_float(first, second, size, properties)
    if kind & 15 == _ENUM and first == 2 and name_dtype(properties[:12]) in ("I8", "U8"):
        return "BOOL" if properties[12:].startswith(_BOOLS) else ""
    if kind & 15 == _COMPOUND and first == 2:
        return _name_complex(kind >> 4, size, properties)
    return ""


def _name_integer(flags: int, size: int, properties: bytes) -> str:
    if len(properties) < 4 or struct.unpack_from("<2H", properties) != (0, 8 * size) or flags & 1:
        return ""
    return _INTEGERS.get((size, bool(flags & 8)), "")


def _name_float(flags: int, sign: int, size: int, properties: bytes) -> str:
    if len(properties) < _FLOAT_PROPERTIES.size or flags & _BIG_ENDIAN or not flags & _IMPLIED_BIT:
        return ""
    offset, precision, *places = _FLOAT_PROPERTIES.unpack_from(properties)
    return _FLOATS.get((size, sign, *places), "") if (offset, precision) == (0, 8 * size) else ""


def _name_complex(version: int, size: int, members: bytes) -> str:
    """h5py writes complex numbers as records of two floats, called r and i."""
    between = 28 if version == 1 else 0
    width = 4 if version < 3 else 1
    name = 2 if version >= 3 else 8
    stride = name + width + between + _HEAD.size + _FLOAT_PROPERTIES.size
    parts = members[:stride], members[stride : 2 * stride]
    names = [part[:name].rstrip(b"\0") for part in parts]
    places = [int.from_bytes(part[name : name + width], "little") for part in parts]
    types = {name_dtype(part[name + width + between :]) for part in parts}
    if names != [b"r", b"i"] or places != [0, size // 2]:
        return ""
    return _COMPLEX.get((types.pop(), size), "") if len(types) == 1 else ""
