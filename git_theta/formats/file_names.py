"""What a file is called, where a format goes by that."""

from __future__ import annotations

from pathlib import PurePosixPath


def has_suffix(path: str, *suffixes: str) -> bool:
    """Whether a file's name ends with one of these, such as ``.onnx``; upper and lower case are the same there."""
    return PurePosixPath(path).suffix.lower() in suffixes
