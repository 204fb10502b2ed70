"""Whether Git finds our manual page for ``git theta --help``, and what helps where it does not."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from git_theta.vcs import config


class ManualFault(NamedTuple):
    """Why ``git theta --help`` shows nothing, and what to do about it.

    Attributes:
        text: what is wrong.
        hint: the way out.
        mendable: whether a setting of the person's would do.
    """

    text: str
    hint: str
    mendable: bool


PAGE = "git-theta"
"""What Git asks ``man`` for."""
_INSTEAD = "`git theta help` and `git theta help COMMAND` say the same."


def find_manual_fault() -> ManualFault | None:
    """Why Git would not show the page; None where it would."""
    shown_as = config.read_last_values(["help.format"]).get("help.format", "man")
    if shown_as != "man":
        return ManualFault(f"`git theta --help` shows nothing: help.format is {shown_as}", _INSTEAD, False)
    if not shutil.which("man"):
        return ManualFault("`git theta --help` shows nothing: man is not installed", _INSTEAD, False)
    if subprocess.run(["man", "-w", PAGE], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0:
        return None
    text = "`git theta --help` shows nothing: man does not find the page"
    folder = _installed_folder()
    if folder is None:
        return ManualFault(text, _INSTEAD, False)
    return ManualFault(f"{text} in {folder}", f'export MANPATH="{folder}:$MANPATH"\n{_INSTEAD}', True)


def _installed_folder() -> Path | None:
    """Where the package has put the page: what MANPATH is to name."""
    from importlib.metadata import PackageNotFoundError, files  # where something is to be mended: 20 ms

    try:
        found = [file for file in files("git-theta") or () if file.name == f"{PAGE}.1"]
    except PackageNotFoundError:
        return None
    places = [Path(os.path.realpath(str(file.locate()))) for file in found]
    return next((place.parent.parent for place in places if place.is_file()), None)
