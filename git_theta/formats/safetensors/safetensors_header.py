"""A new header for a safetensors file whose parameters are not the template's.

Source: ``Metadata::validate`` in ``safetensors/src/tensor.rs`` (0.8): data without holes in the order of its offsets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from git_theta.errors import FormatError
from git_theta.formats.base import Part

# What the library reads; the other dtypes that we know are torch's alone.
_DTYPES = frozenset(
    (
        *("BOOL", "U8", "U16", "U32", "U64", "I8", "I16", "I32", "I64", "F16", "BF16", "F32", "F64", "C64"),
        *("F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F6_E2M3", "F6_E3M2", "F4"),
    )
)
_ALIGNMENT = 8


def build_header(parts: Sequence[Part], metadata: str | None, entries: Mapping[str, Mapping[str, object]]) -> bytes:
    """Length and header of a file of ``parts``, whose data follows in their order.

    Args:
        parts: the tensors; views cannot be written.
        metadata: the JSON text of ``__metadata__``, taken over as it is; None where there is none.
        entries: the template's entries: keys beyond dtype, shape and offsets are kept.

    Raises FormatError where the format has no such dtype, or no two names for the same bytes.
    """
    members = [] if metadata is None else [f'"__metadata__":{metadata}']
    members.extend(_header_members(parts, entries))
    return frame_header("{" + ",".join(members) + "}")


def frame_header(text: str) -> bytes:
    """A header's text as it stands in the file: its length before it, and spaces that align what follows."""
    padded = text.encode()
    padded += b" " * (-len(padded) % _ALIGNMENT)
    return len(padded).to_bytes(8, "little") + padded


def _header_members(parts: Sequence[Part], entries: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    end = 0
    for part in parts:
        _check_part(part)
        start, end = end, end + part.spec.nbytes
        entry = {
            **entries.get(part.name, {}),
            "dtype": part.spec.dtype.name,
            "shape": part.spec.shape,
            "data_offsets": (start, end),
        }
        # The library orders the keys of a new entry so, and writes neither spaces nor escapes.
        yield f"{spell_json(part.name)}:{spell_json(entry)}"


def _check_part(part: Part) -> None:
    if part.views:
        raise FormatError("safetensors files cannot hold two names for the same bytes", parameter=part.name)
    if part.spec.dtype.name not in _DTYPES:
        raise FormatError(f"safetensors files cannot hold {part.spec.dtype.name}", parameter=part.name)
    if part.spec.elements * part.spec.dtype.bits % 8:
        raise FormatError("safetensors files hold whole bytes only", parameter=part.name)


def spell_json(value: object) -> str:
    """A value as the library writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
