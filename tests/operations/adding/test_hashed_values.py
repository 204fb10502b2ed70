"""Values that are hashed while they are read, by updates that read them several times."""

from __future__ import annotations

import hashlib
from itertools import islice

from git_theta.operations.adding.encoding import _HashedValues
from git_theta.tensors.arrays import BLOCK
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.blocks import noise_bytes


def test_what_is_read_again_is_no_further_progress() -> None:
    data = noise_bytes(2 * BLOCK + 100)
    reported: list[int] = []
    values = _HashedValues(MemoryValues(Spec(BY_NAME["U8"], (len(data),)), data), reported.append)
    for most in (1, 2, 3, 3):
        assert b"".join(map(bytes, islice(values.blocks(), most))) == data[: most * BLOCK]
    assert list(values.blocks()) and list(values.blocks(1))
    assert reported == [BLOCK, BLOCK, 100]
    assert values.oid == hashlib.sha256(data).hexdigest()
