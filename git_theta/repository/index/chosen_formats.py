"""Files whose layout in the index is not of the format that ``theta-format`` chooses for them.

A file keeps the layout of the index, whatever is chosen later: the attribute counts for files that are new, or whose
frame changes, and for the others when somebody lays them out anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from git_theta.errors import PluginError
from git_theta.formats.base import FORMATS
from git_theta.operations.keeping.file_states import TrackedFile
from git_theta.vcs.attribute_files.attribute_values import read_attribute
from git_theta.vcs.attribute_files.nearby_attributes import FORMAT, NO_FORMAT
from git_theta.vcs.discovery import Repository


class UnlikeLayout(NamedTuple):
    """A file, the format that the index has for it, and the one that is chosen.

    ``problem`` and ``hint``: why that cannot be used here; "" where it can.
    """

    path: str
    staged: str
    chosen: str
    problem: str = ""
    hint: str = ""

    def describe(self) -> str:
        """What is the matter, for people."""
        if self.problem:
            return f"{self.path}: {FORMAT}={self.chosen}: {self.problem}"
        return f"{self.path}: {FORMAT}={self.chosen}, and the index has it as {self.staged}"


def find_unlike_layouts(files: Sequence[TrackedFile], repository: Repository) -> list[UnlikeLayout]:
    """Those of these files of the index, in their order."""
    staged = {file.path: file.manifest.format for file in files if file.manifest}
    chosen = read_attribute(FORMAT, list(staged), repository.worktree)
    unlike = {path: name for path, name in chosen.items() if name not in (staged[path], *NO_FORMAT)}
    faults = {name: _find_fault(name) for name in set(unlike.values())}
    return [UnlikeLayout(path, staged[path], name, *faults[name]) for path, name in unlike.items()]


def _find_fault(name: str) -> tuple[str, str]:
    try:
        FORMATS.load_plugin(name)
    except PluginError as error:
        return error.message, error.hint
    return "", ""
