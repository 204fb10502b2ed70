"""TensorProto: dtype, shape, and where the numbers are.

Source: ``onnx/onnx.proto`` (1.23), message TensorProto.
"""

from __future__ import annotations

from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.layout import MAX_DIMENSIONS, require_shape
from git_theta.formats.onnx.protobuf_reader import BYTES, VARINT, ProtobufField, ProtobufReader
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec

_DTYPES = {
    1: "F32", 2: "U8", 3: "I8", 4: "U16", 5: "I16", 6: "I32", 7: "I64", 9: "BOOL", 10: "F16", 11: "F64", 12: "U32",
    13: "U64", 14: "C64", 15: "C128", 16: "BF16", 17: "F8_E4M3", 18: "F8_E4M3FNUZ", 19: "F8_E5M2", 20: "F8_E5M2FNUZ",
    21: "UINT4", 22: "INT4", 23: "F4", 24: "F8_E8M0", 25: "UINT2", 26: "INT2", 27: "F6_E2M3", 28: "F6_E3M2",
}  # fmt: skip
"""TensorProto.DataType to what manifests call it. Strings (8) are no numbers."""
_DIMS, _DATA_TYPE, _SEGMENT, _NAME, _RAW, _EXTERNAL, _LOCATION = 1, 2, 3, 8, 9, 13, 14
_FLOATS, _DOUBLES = 4, 10
_DATA_FIELDS = frozenset((_FLOATS, 5, 6, 7, _RAW, _DOUBLES, 11))
_AS_IN_MEMORY = {_FLOATS: ("F32", "C64"), _DOUBLES: ("F64", "C128")}
"""Typed fields whose packed numbers are the bytes of the tensor; the others spell each number as a varint."""
_KEY, _VALUE = 1, 2


class TensorMessage(NamedTuple):
    """What a TensorProto says.

    Attributes:
        name: its own name.
        spec: dtype and shape; None for what is no numbers.
        place: the field that is the tensor's bytes; None where none is.
        reason: why none is; "" where there are no elements either.
        location: the file beside the model that holds the bytes; "" where they are in the model.
    """

    name: str
    spec: Spec | None
    place: ProtobufField | None
    reason: str
    location: str


class _TensorFields:
    """The fields of a TensorProto, as they are met."""

    def __init__(self) -> None:
        self.name = ""
        self.code = 0
        self.dims: list[int] = []
        self.data: list[ProtobufField] = []
        self.location = ""
        self.is_external = False
        self.is_segment = False

    def add_dims(self, reader: ProtobufReader, field: ProtobufField) -> None:
        """Dimensions, one a field or packed."""
        for value in reader.read_varints(field) if field.wire == BYTES else (field.value,):
            self.dims.append(value)
            if len(self.dims) > MAX_DIMENSIONS:
                raise FormatError(f"a tensor has more than {MAX_DIMENSIONS} dimensions", parameter=self.name)

    def add(self, reader: ProtobufReader, field: ProtobufField) -> None:
        """Any other field."""
        if field.number in _DATA_FIELDS:
            self.data = [*self.data[:1], field]
        elif field.number == _SEGMENT:
            self.is_segment = True
        elif field.number == _NAME and field.wire == BYTES:
            self.name = reader.read_text(field)
        elif field.number == _EXTERNAL and field.wire == BYTES:
            self.location = _read_location(reader, field) or self.location
        elif field.wire == VARINT and field.number == _DATA_TYPE:
            self.code = field.value
        elif field.wire == VARINT and field.number == _LOCATION:
            self.is_external = field.value == 1


def read_tensor(reader: ProtobufReader, message: ProtobufField) -> TensorMessage:
    """A TensorProto. Raises FormatError where it is damaged, or has a shape that cannot be."""
    found = _TensorFields()
    for field in reader.read_fields(message.offset, message.end):
        if field.number == _DIMS:
            found.add_dims(reader, field)
        else:
            found.add(reader, field)
    dtype = BY_NAME.get(_DTYPES.get(found.code, ""))
    spec = Spec(dtype, require_shape(found.dims)) if dtype else None
    reason = _find_obstacle(found, spec)
    place = found.data[0] if found.data and not reason else None
    return TensorMessage(found.name, spec, place, reason, found.location if found.is_external else "")


def _find_obstacle(found: _TensorFields, spec: Spec | None) -> str:
    """Why the tensor is not one stretch of the file; "" where it is, or has no bytes."""
    if spec is None:
        return "texts, or of a type that is not known"
    if found.is_external:
        return f"in another file, {found.location}"
    if not found.data:
        return "without its numbers" if spec.nbytes else ""
    field = found.data[0]
    if len(found.data) > 1 or found.is_segment:
        return "in several pieces"
    if field.wire != BYTES or (field.number != _RAW and spec.dtype.name not in _AS_IN_MEMORY.get(field.number, ())):
        return "spelled number by number"
    return "" if field.size == spec.nbytes else "not of the size that its shape says"


def _read_location(reader: ProtobufReader, entry: ProtobufField) -> str:
    """The file that an entry of external_data names; "" for its other keys."""
    found = {}
    for field in reader.read_fields(entry.offset, entry.end):
        if field.wire == BYTES and field.number in (_KEY, _VALUE):
            found[field.number] = reader.read_text(field)
    return found.get(_VALUE, "") if found.get(_KEY) == "location" else ""
