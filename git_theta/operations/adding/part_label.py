"""What a part of a file is called, before its bytes were seen."""

from __future__ import annotations

from typing import NamedTuple, Self

from git_theta.manifest.model import Entry, View


class PartLabel(NamedTuple):
    """The name, dtype, shape and views of a parameter; nothing for bytes that are none."""

    name: str | None = None
    dtype: str = ""
    shape: tuple[int, ...] = ()
    views: tuple[View, ...] = ()

    @classmethod
    def of_entry(cls, entry: Entry) -> Self:
        """The label of a part whose bytes were seen."""
        return cls(entry.name, entry.dtype, entry.shape, entry.views)


NO_LABEL = PartLabel()
"""Of bytes that are no parameter."""
