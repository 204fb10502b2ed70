"""The examples in docs/spec, as bytes."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "spec"
_FENCE = re.compile(r"^```(hex|text) ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(document: str) -> dict[str, bytes]:
    """The fenced blocks of a page by their title; of hexadecimal ones, the bytes without the comments."""
    found = _FENCE.findall((FOLDER / document).read_text())
    return {title: _bytes(text) if kind == "hex" else text.encode() for kind, title, text in found}


def _bytes(text: str) -> bytes:
    return bytes.fromhex(" ".join(line.partition("#")[0] for line in text.splitlines()))
