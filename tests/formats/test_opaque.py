"""The opaque format takes what nothing else reads."""

from __future__ import annotations

import pytest

from git_theta.formats.opaque import OpaqueFormat
from tests.formats.sources import BytesSource


@pytest.mark.parametrize("data", [b"", b"\0", b"PK\3\4", b"any text"])
def test_every_file_is_opaque_and_all_of_it_is_frame(data: bytes) -> None:
    source = BytesSource(data)
    assert OpaqueFormat().matches(data, "any.name")
    assert OpaqueFormat().spans(source) == []
    assert source.reads == []
