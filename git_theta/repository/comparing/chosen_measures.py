"""``theta.measures``, and what a command names: what is measured beside the numbers that every diff has.

Git's configuration and the command line alone say it, which no repository can bring along (L10).
"""

from __future__ import annotations

from collections.abc import Iterable

from git_theta.diffing.measures.base import MEASURES
from git_theta.repository.stores.storage_preferences import require_installed
from git_theta.vcs.config import read_last_values

MEASURES_KEY = "theta.measures"


def choose_measures(named: Iterable[str] = ()) -> tuple[str, ...]:
    """The measures that Git's configuration names, then those that a person named, each once.

    Raises UsageError where the configuration names one that is not installed, PluginError where the person does, and
    where one does not load.
    """
    configured = read_last_values((MEASURES_KEY,)).get(MEASURES_KEY, "").replace(",", " ").split()
    require_installed(MEASURES_KEY, "measures", configured)
    names = tuple(dict.fromkeys([*configured, *named]))
    for name in names:
        MEASURES.load_plugin(name)
    return names
