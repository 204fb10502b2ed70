"""Random numbers that depend on where they are used alone: Philox-4x32-10, a counter-based generator.

Source: Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011). Element i of a tensor has
word i % 4 of the block whose counter is i // 4; 64 bits of the key and 64 of the counter come from a hash of what the
numbers are for. Written in int64 operations, which all array libraries have on all devices.
"""

from __future__ import annotations

import hashlib
import struct

from git_theta.tensors.array_library import ArrayLibrary, Vector
from git_theta.tensors.numpy_library import NUMPY

_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85
_MASK = 0xFFFFFFFF


def philox(counter: tuple[Vector, Vector, Vector, Vector], key: tuple[int, int]) -> tuple[Vector, ...]:
    """Ten rounds. Counter and result: four int64 tensors of one shape that hold 32-bit words; key: two such words."""
    x0, x1, x2, x3 = counter
    k0, k1 = key
    for _ in range(10):
        # Bits 32 to 63 of a product are right although int64 wraps: the two's complement of it is the same.
        left, right = x0 * _MULTIPLIERS[0], x2 * _MULTIPLIERS[1]
        x0, x2 = right >> 32, left >> 32
        x0 &= _MASK
        x2 &= _MASK
        x0 ^= x1
        x2 ^= x3
        x0 ^= k0
        x2 ^= k1
        right &= _MASK
        left &= _MASK
        x1, x3 = right, left
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return x0, x1, x2, x3


class Generator:
    """Random words for the elements of one tensor.

    Args:
        seed: the person's.
        name: the parameter's.
        branch: what the branch is known by: its tensor's oid, since a position would make the order of heads matter.
        twin: tells branches with the same tensor apart.
    """

    def __init__(self, seed: int, name: str, branch: str, twin: int = 0) -> None:
        what = b"\0".join(part.encode("utf-8", "surrogatepass") for part in (str(seed), name, branch, str(twin)))
        words = struct.unpack("<4I", hashlib.sha256(what).digest()[:16])
        self._key, self._high = words[:2], words[2:]

    def words(self, start: int, count: int, library: ArrayLibrary = NUMPY) -> Vector:
        """Uniform 32-bit words for the elements from ``start`` on: int64, shape (count,), 0 <= word < 2**32."""
        xp = library.xp
        first, last = start // 4, (start + count + 3) // 4
        index = xp.arange(first, last, dtype=xp.int64, device=library.device)
        high = [xp.full_like(index, word) for word in self._high]
        block = philox((index & _MASK, index >> 32, high[0], high[1]), (self._key[0], self._key[1]))
        return xp.reshape(xp.stack(block, axis=1), (-1,))[start - 4 * first :][:count]
