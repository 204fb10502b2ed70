"""What a person would have parts stored with."""

from __future__ import annotations

from itertools import takewhile
from typing import Any, NamedTuple

from git_theta.known_plugins import BUILT_IN
from git_theta.manifest.model import DENSE
from git_theta.updates.base import SEARCH_BUDGET, UPDATES

AUTOMATIC = (*(name for name in BUILT_IN["updates"] if name != DENSE), DENSE)
"""The updates that come with us, in the order in which they are tried."""


DEFAULT_DEPTH = 1
"""Update bases that a part may have: with one, `git add` and `git checkout` take about what git-lfs takes, or less."""


class Preferences(NamedTuple):
    """What a person would have parts stored with, among what is installed.

    Attributes:
        updates: names, tried in this order; the first that pays is taken. "dense" always does, and is tried last.
        serializer: a name; "" to have the bytes decide.
        depth: update bases that a new part may have, one on the other; 0 for none.
        budget: seconds of a processor per GB that an update may take to look for an adapter; None for any number.
    """

    updates: tuple[str, ...] = AUTOMATIC
    serializer: str = ""
    depth: int = DEFAULT_DEPTH
    budget: int | None = None

    def settings(self) -> dict[str, Any]:
        """What every update is told."""
        return {} if self.budget is None else {SEARCH_BUDGET: self.budget}

    def wants_base(self) -> bool:
        """Whether any of the updates may build on a base."""
        tried = takewhile(lambda name: name != DENSE, self.updates)
        return self.depth > 0 and any(UPDATES.load_plugin(name).base != "none" for name in tried)


DEFAULT_PREFERENCES = Preferences()
