"""The hash of what comes in pieces, here and on a thread of its own."""

from __future__ import annotations

import hashlib
import threading

import pytest

from git_theta.tensors.digest import Digest
from git_theta.testing.blocks import noise_bytes


@pytest.mark.parametrize("expected", [0, 1000, 8 << 20, 1 << 62])
def test_pieces_hash_as_the_whole(expected: int) -> None:
    data = noise_bytes(1 << 20)
    with Digest(expected) as digest:
        for start in range(0, len(data), 10_007):
            digest.update(memoryview(data)[start : start + 10_007])
        assert digest.oid() == hashlib.sha256(data).hexdigest()
        assert digest.size == len(data)


def test_nothing_has_a_hash_too() -> None:
    with Digest(1 << 30) as digest:
        assert digest.oid() == hashlib.sha256().hexdigest()


def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    with pytest.raises(KeyError), Digest(1 << 30) as digest:
        for _ in range(50):
            digest.update(bytes(100_000))
        raise KeyError
    assert threading.active_count() == before
