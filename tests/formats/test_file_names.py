"""Formats that go by a file's name take upper for lower case in its suffix."""

from __future__ import annotations

import pickle

import pytest

from git_theta.formats.guarded_format import load_format

ZIP = b"PK\3\4" + bytes(60)
"""Tells nothing of what is in it."""
BY_NAME = [
    ("keras", ZIP, ".keras"),
    ("torch", ZIP, ".pt"),
    ("pt2", ZIP, ".pt2"),
    ("distcp", ZIP, ".distcp"),
    ("safetensors", b"\xff" * 8 + b"{", ".safetensors"),
    ("onnx", b"\x08\x07", ".onnx"),
    ("flax", b"\x81", ".msgpack"),
    ("pickle", pickle.dumps({}, 4), ".pkl"),
]


@pytest.mark.parametrize(("name", "head", "suffix"), BY_NAME, ids=[name for name, _, _ in BY_NAME])
def test_upper_case_in_a_suffix_is_lower_case(name: str, head: bytes, suffix: str) -> None:
    reader = load_format(name)
    for spelled in (suffix, suffix.upper(), suffix.title()):
        assert reader.matches(head, f"folder/m{spelled}"), spelled
    assert not reader.matches(head, f"folder{suffix}/notes.txt")
