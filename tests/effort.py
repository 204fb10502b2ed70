"""How often tests try what they could try for ever: races, and examples drawn at random."""

from __future__ import annotations

import os

LONG = "THETA_LONG_TESTS"
"""The environment variable that has them try for longer: each run draws other examples, so that few add up too."""


def choose_tries(*, few: int, many: int) -> int:
    """``many`` where somebody has asked for long tests, else ``few``."""
    return many if os.environ.get(LONG, "") not in ("", "0") else few
