"""The laws of ``git_theta.formats.base``."""

from __future__ import annotations

from git_theta.testing.format_building import BuildingLaws
from git_theta.testing.format_frames import FrameLaws
from git_theta.testing.format_reading import ReadingLaws


class FormatLaws(ReadingLaws, BuildingLaws, FrameLaws):
    """Derive, and fill in :class:`FormatHooks`: make the format, and give it files to read."""
