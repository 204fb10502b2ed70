"""``.theta/rounds.toml``: the tracked file in which a project says what a round merges, and what it looks at before.

::

    [round.cold]
    private = ["head.*", "classifier.*"]   # names of parameters that are never merged: globs; without it none
    mad = 4                                # how far from the round's median a head's distance may be; 0 for any
    eval = "classes"                       # an evaluation by which no head may be worse than the start

A round reads the file of its own tag: a head has no say in how it is screened (L10). Nothing in it runs: an evaluation
runs once the person has allowed it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from git_theta.errors import UsageError
from git_theta.globs import name_matcher
from git_theta.tracked_toml import check_keys, parse_named_tables

ROUNDS_FILE = ".theta/rounds.toml"
"""Its place, from the top of the worktree."""
USUAL_MAD = 4.0
_SCREEN_KEYS = ("mad", "eval")
_KEYS = ("private", *_SCREEN_KEYS)


class RoundScreen(NamedTuple):
    """What heads are held to, beside what every round asks of them.

    Attributes:
        mad: how many median absolute deviations from the median a head's distance may be; 0 for any number.
        evaluation: by which no head may be worse than the start; "" for none.
    """

    mad: float = USUAL_MAD
    evaluation: str = ""


class RoundPolicy(NamedTuple):
    """What a project says of one series of rounds.

    Attributes:
        private: globs of the names of parameters that are never merged.
        screen: what heads are held to.
    """

    private: tuple[str, ...] = ()
    screen: RoundScreen = RoundScreen()

    def match_private(self) -> Callable[[str], bool]:
        """Whether a parameter of a name is never merged."""
        return name_matcher(self.private) if self.private else lambda _: False


def parse_round_policies(content: bytes) -> dict[str, RoundPolicy]:
    """The policies that a file holds, by the name of their rounds.

    Raises UsageError, with the path and the name, for anything that is none.
    """
    return parse_named_tables(content, ROUNDS_FILE, "round", "rounds", _parse_policy)


def parse_screen(text: str, screen: RoundScreen) -> RoundScreen:
    """A screen with what ``mad=4,eval=NAME`` says in place of what it has. Raises UsageError."""
    given: dict[str, Any] = {}
    for item in text.split(","):
        key, equals, value = item.partition("=")
        if not equals or key not in _SCREEN_KEYS:
            raise UsageError(
                f"--screen {text!r} is no screen", hint="Write mad=4, eval=NAME, or both: mad=4,eval=NAME."
            )
        given[key] = value
    return _parse_screen(given, screen)


def _parse_policy(name: str, data: dict[str, Any]) -> RoundPolicy:
    try:
        check_keys(data, _KEYS)
        given = data.get("private", [])
        globs = [given] if isinstance(given, str) else given
        if not isinstance(globs, list) or not all(isinstance(glob, str) and glob for glob in globs):
            raise UsageError("private is neither a glob nor a list of globs", hint='Write private = ["head.*"].')
        name_matcher(globs)
        return RoundPolicy(tuple(globs), _parse_screen(data, RoundScreen()))
    except UsageError as error:
        raise UsageError(f"round.{name}: {error.message}", hint=error.hint) from None


def _parse_screen(data: dict[str, Any], screen: RoundScreen) -> RoundScreen:
    evaluation = data.get("eval", screen.evaluation)
    if not isinstance(evaluation, str):
        raise UsageError("eval is not the name of an evaluation", hint='Write eval = "NAME".')
    return RoundScreen(_parse_mad(data.get("mad", screen.mad)), evaluation)


def _parse_mad(given: Any) -> float:
    try:
        mad = -1.0 if isinstance(given, bool) else float(given)
    except (TypeError, ValueError, OverflowError):
        mad = -1.0
    if not (mad >= 0 and math.isfinite(mad)):
        raise UsageError(f"mad is no number of deviations: {given!r}", hint="Write mad = 4, or 0 for any distance.")
    return mad
