"""Standard output, kept for what Git reads there.

A filter answers Git on descriptor 1, and a diff driver's output is what a person sees of ``git diff``. One line that a
plug-in prints there would end up in a file, or stop Git. So who answers Git takes the descriptor for itself. To
everybody else, C libraries and programs that a plug-in starts included, standard output is standard error from then on.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from typing import BinaryIO

from git_theta.cli import boundary
from git_theta.plugin_guard import PluginId, running_plugin

Buffer = bytes | bytearray | memoryview


def claim_stdout() -> int:
    """A descriptor of what is standard output now, that no program we start inherits. Descriptor 1 is 2 afterwards."""
    sys.stdout.flush()
    claimed = os.dup(1)
    boundary.add_output(claimed)
    os.dup2(2, 1)
    sys.stdout = StrayOutput()
    return claimed


def write_pieces(descriptor: int, pieces: Iterable[Buffer]) -> None:
    """Write all of the pieces."""
    for piece in pieces:
        view = memoryview(piece).cast("B")
        while view:
            view = view[os.write(descriptor, view) :]


class StrayOutput(io.TextIOBase):
    """What ``print`` writes to once Git has standard output: standard error, after a warning that names the plug-in."""

    def __init__(self) -> None:
        self._warned: set[PluginId] = set()

    @property
    def buffer(self) -> BinaryIO:
        """Standard error's."""
        return sys.stderr.buffer

    def fileno(self) -> int:
        """That of standard output, which is standard error now."""
        return 1

    def writable(self) -> bool:
        """As files say it."""
        return True

    def write(self, text: str) -> int:
        """Hand it on."""
        plugin = running_plugin()
        if plugin and plugin not in self._warned:
            self._warned.add(plugin)
            boundary.warn(f"the {plugin.spell()} prints where Git reads. It is shown here instead:")
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Hand it on."""
        sys.stderr.flush()
