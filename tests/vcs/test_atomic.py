"""New files that are there whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_theta.vcs import atomic


def test_a_new_file_is_durable_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a power failure leaves is decided by the order of these calls; they are watched, not replaced."""
    calls: list[str] = []

    def watch(name: str) -> None:
        real = getattr(os, name)

        def watched(*args: object, **kwargs: object) -> object:
            calls.append(name)
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, watched)

    watch("fsync")
    watch("rename")
    atomic.create_file(tmp_path / "folder" / "file", [b"a", bytearray(b"b")])
    assert (tmp_path / "folder" / "file").read_bytes() == b"ab"
    assert calls == ["fsync", "rename"]


def test_a_file_that_is_there_stays_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        atomic.create_file(tmp_path / "file", [b"ours"])
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("file", b"mine")]
