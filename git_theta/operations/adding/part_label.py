"""What a part of a file is called, before its bytes were seen."""

from __future__ import annotations

from typing import NamedTuple

from git_theta.manifest.model import View


class PartLabel(NamedTuple):
    """The name, dtype, shape and views of a parameter; nothing for bytes that are none."""

    name: str | None = None
    dtype: str = ""
    shape: tuple[int, ...] = ()
    views: tuple[View, ...] = ()
