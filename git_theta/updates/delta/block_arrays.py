"""The arrays of a block of ``delta``, as they are written and read: words, which say what follows, then bytes.

All words of a block are its first array, a byte each. What is read is compared with the size that it must have: no
array says how much memory it takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from git_theta.errors import CorruptObject
from git_theta.tensors.arrays import Array, Arrays, Buffer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]


class ArrayWriter:
    """Collects what a block becomes."""

    def __init__(self, *words: int) -> None:
        self._words = bytearray(words)
        self._arrays: list[Array] = []

    def add_word(self, word: int) -> None:
        """A number below 256."""
        self._words.append(word)

    def add_bytes(self, data: Bytes) -> None:
        """Contiguous bytes."""
        self._arrays.append(Array(1, data.data))

    def add_numbers(self, data: Buffer, width: int) -> None:
        """Numbers of ``width`` bytes."""
        self._arrays.append(Array(width, data))

    def finish(self) -> Arrays:
        """The words, then what was added, in order."""
        return (Array(1, bytes(self._words)), *self._arrays)


class ArrayReader:
    """Takes what a block became, in the order in which it was added.

    Every method raises CorruptObject where that is not what is there.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._words = iter(bytes(arrays[0].data) if arrays else b"")
        self._arrays = iter(arrays[1:])

    def take_word(self, most: int) -> int:
        """The next word, at most ``most``."""
        word = next(self._words, None)
        if word is None or word > most:
            raise CorruptObject("a block of delta lacks a word" if word is None else f"a word of delta is {word}")
        return word

    def take_bytes(self, size: int) -> Bytes:
        """The next array, which has so many bytes. Read-only."""
        import numpy as np

        array = next(self._arrays, None)
        if array is None or len(array.data) != size:
            found = "none" if array is None else f"one of {len(array.data)}"
            raise CorruptObject(f"a block of delta has {found} where an array of {size} bytes is due")
        return np.frombuffer(array.data, np.uint8)

    def finish(self) -> None:
        """There must be nothing left."""
        if next(self._words, None) is not None or next(self._arrays, None) is not None:
            raise CorruptObject("a block of delta has more than its words say")
