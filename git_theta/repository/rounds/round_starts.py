"""Begin a series of rounds: a tag at the commit that heads are to start from."""

from __future__ import annotations

from pathlib import Path

from git_theta.errors import UsageError
from git_theta.globs import name_matcher
from git_theta.repository.rounds.round_refs import Round, list_rounds, require_round_name, tag_round
from git_theta.repository.rounds.shared_heads import RoundStart, list_private, read_start
from git_theta.vcs.heads import resolve_head


def start_rounds(name: str, revision: str, top: Path) -> RoundStart:
    """Tag a commit as the start of the first round of a name, which nobody has yet.

    Raises UsageError for a name that cannot be, or is taken, for a commit without a checkpoint, and for a policy that
    says what cannot be.
    """
    if name in list_rounds(top):
        raise UsageError(f"there are rounds called {name!r} already", hint="Go on: git theta round status")
    require_round_name(name, top)
    new = Round(name, 0, resolve_head(revision, top).commit)
    start = read_start(new, top)
    tag_round(new, top)
    return start


def find_idle_globs(start: RoundStart) -> list[str]:
    """The globs of private parameters that match none: nothing is kept private by a mistake in writing."""
    names = list_private(start)
    return [glob for glob in start.policy.private if not any(map(name_matcher([glob]), names))]
