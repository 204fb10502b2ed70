"""Single lines of a manifest: each has one valid encoding, and no other is taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from git_theta.manifest.common_lines import format_common_line, parse_common_line
from git_theta.manifest.entry_json import entry_from_json, entry_to_json, header_from_json, header_to_json
from git_theta.manifest.model import Entry, Manifest

INEXACT = "it is not in its one valid encoding"
_MAX_LINE = 16 << 20
"""Bytes of a line: as many windows on one storage fit as there may be names."""


def format_header(manifest: Manifest) -> bytes:
    """The header's line. Raises as ``parse_header`` for one that no reader would take."""
    line = _encode_line(header_to_json(manifest))
    parse_header(line[:-1])
    return line


def format_line(entry: Entry) -> bytes:
    """A part's line. Raises as ``parse_line`` for one that no reader would take."""
    line = format_common_line(entry)
    if line is None or len(line) > _MAX_LINE:
        line = _encode_line(entry_to_json(entry))
        parse_line(line[:-1])
    return line


def parse_header(line: bytes) -> Manifest:
    """The manifest without its parts. Raises as ``parse_line``."""
    manifest = header_from_json(_parse_json_line(line))
    _require_exact(header_to_json(manifest), line)
    return manifest


def parse_line(line: bytes) -> Entry:
    """The part that a line stands for.

    Raises ValueError, KeyError and their kin for one that is not in its one valid encoding.
    """
    if len(line) < _MAX_LINE and (common := parse_common_line(line)):
        return common
    entry = entry_from_json(_parse_json_line(line))
    _require_exact(entry_to_json(entry), line)
    return entry


def _require_exact(data: Mapping[str, Any], line: bytes) -> None:
    if _encode_line(data) != line + b"\n":
        raise ValueError(INEXACT)


def _encode_line(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _parse_json_line(line: bytes) -> Any:
    if len(line) > _MAX_LINE:
        raise ValueError(f"a line has {len(line):,} bytes, more than {_MAX_LINE:,}")
    return json.loads(
        line,
        parse_int=_parse_integer,
        parse_float=_reject_number,
        parse_constant=_reject_number,
    )


def _parse_integer(digits: str) -> int:
    value = int(digits)
    if not -1 << 63 <= value < 1 << 63:
        raise ValueError("an integer beyond 64 bits")
    return value


def _reject_number(number: str) -> NoReturn:
    raise ValueError(f"{number} is not an integer")
