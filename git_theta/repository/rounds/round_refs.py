"""Rounds as Git has them: a tag for each start, ``NAME/N``, and a branch for each head, ``NAME/N/WHO``.

They are ordinary refs, which people push and fetch. A tag is of a round when it is annotated, and says so: a project
may call its releases ``v1/0``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import UsageError
from git_theta.merging.policies.round_policy import ROUNDS_FILE, RoundPolicy, parse_round_policies
from git_theta.tracked_toml import SIZE_LIMIT
from git_theta.vcs.blobs import read_small_blob
from git_theta.vcs.commits import shallow_boundary
from git_theta.vcs.git import git, git_succeeds
from git_theta.vcs.ref_listing import ListedRef, commit_time, create_tag, is_ancestor, list_refs, require_ref_name
from git_theta.vcs.shallow_clones import describe_deepening
from git_theta.words import join_some, suggest_names

_TAGS, _HEADS, _REMOTES = "refs/tags/", "refs/heads/", "refs/remotes/"
_TAG = re.compile(r"refs/tags/(?P<name>.+)/(?P<number>0|[1-9][0-9]{0,8})")


class Round(NamedTuple):
    """A round: heads of it start from one commit.

    Attributes:
        name: of the series.
        number: which one of it: the first is 0.
        start: the commit that heads start from.
    """

    name: str
    number: int
    start: str

    @property
    def tag(self) -> str:
        """The tag of its start."""
        return f"{self.name}/{self.number}"

    def branch_of(self, who: str) -> str:
        """The branch on which a contributor's head is submitted."""
        return f"{self.tag}/{who}"


class SubmittedHead(NamedTuple):
    """What a contributor submitted.

    Attributes:
        who: the contributor, as the branch says.
        ref: the branch, here or of a remote, in short: ``cold/1/ann``, ``origin/cold/1/ann``.
        commit: its id.
        replaced: branches of the same contributor with an older commit.
    """

    who: str
    ref: str
    commit: str
    replaced: tuple[str, ...] = ()


def list_rounds(top: Path) -> dict[str, list[Round]]:
    """All rounds of the repository, oldest first, by name."""
    found: dict[str, list[Round]] = {}
    for ref in list_refs([_TAGS], top):
        match = _TAG.fullmatch(ref.name)
        if match and ref.is_annotated and ref.subject == _tag_message(match["name"], int(match["number"])):
            found.setdefault(match["name"], []).append(Round(match["name"], int(match["number"]), ref.commit))
    return {name: sorted(rounds, key=lambda one: one.number) for name, rounds in sorted(found.items())}


def find_round(name: str | None, number: int | None, top: Path) -> Round:
    """A round of a series.

    Args:
        name: of the series; None for the only one there is.
        number: which one; None for the newest.
        top: of the worktree, or the bare repository.

    Raises UsageError where there is none.
    """
    known = list_rounds(top)
    if not known:
        raise UsageError(
            "there is no round here",
            hint=describe_deepening(top) or "Begin one: git theta round start NAME. Or fetch it: git fetch --tags",
        )
    if name is None and len(known) > 1:
        raise UsageError(f"there are rounds of several names: {join_some(list(known))}", hint="Name one of them.")
    rounds = known.get(name if name is not None else next(iter(known)))
    if rounds is None:
        raise UsageError(f"no rounds are called {name!r}", hint=suggest_names(str(name), known))
    if number is None:
        return rounds[-1]
    for one in rounds:
        if one.number == number:
            return one
    raise UsageError(
        f"{rounds[0].name} has no round {number}",
        hint=f"There is: {join_some([one.tag for one in rounds])}. {describe_deepening(top)}".rstrip(),
    )


def find_next(one: Round, top: Path) -> Round | None:
    """The round after this one: it is closed then."""
    return next((other for other in list_rounds(top)[one.name] if other.number == one.number + 1), None)


def require_next_free(one: Round, top: Path) -> None:
    """Raise UsageError where the tag of the round after this one names something else: closing would end there."""
    tag = one._replace(number=one.number + 1).tag
    if git_succeeds("show-ref", "--quiet", "--verify", f"{_TAGS}{tag}", cwd=top):
        raise UsageError(
            f"there is a tag {tag} that is no start of a round",
            hint=f"Give it another name: git tag NAME {tag}, git tag -d {tag}",
        )


def list_merged(closing: Round, top: Path) -> set[str]:
    """The commits of all heads that were merged into the start of a round, and that of the start before it.

    Raises UsageError where a shallow clone ends there.
    """
    if closing.start in shallow_boundary(top):
        raise UsageError(
            f"nobody here knows what was merged into {closing.tag}: history ends at it", hint=describe_deepening(top)
        )
    return set(git("rev-parse", f"{closing.start}^@", cwd=top).decode().split())


def tag_round(new: Round, top: Path) -> None:
    """Create the tag of a round's start."""
    create_tag(new.tag, new.start, _tag_message(new.name, new.number), top)


def require_round_name(name: str, top: Path) -> None:
    """Raise UsageError for what no rounds can be called: no name of refs, or one that others are in the way of."""
    require_ref_name(f"{_TAGS}{name}/0", top)
    if name.startswith("-"):
        raise UsageError(f"rounds cannot be called {name!r}", hint="A name begins with no dash.")
    pieces = name.split("/")
    above = ["/".join(pieces[: end + 1]) for end in range(len(pieces))]
    for kind, prefix in (("tag", _TAGS), ("branch", _HEADS)):
        taken = {ref.name for ref in list_refs([f"{prefix}{one}" for one in above], top)}
        for one in above:
            if f"{prefix}{one}" in taken:
                raise UsageError(
                    f"there is a {kind} {one!r}, and Git has no {kind} {name}/0 beside it", hint="Choose another name."
                )


def list_submitted(one: Round, top: Path) -> list[SubmittedHead]:
    """The heads of a round, here and on remotes as they were fetched, by contributor: of each the newest."""
    found: dict[str, list[tuple[str, ListedRef]]] = {}
    for prefix, short in _list_places(one, top):
        for ref in list_refs([prefix], top):
            who = ref.name.removeprefix(prefix)
            found.setdefault(who, []).append((f"{short}{who}", ref))
    return [_choose_newest(who, refs, top) for who, refs in sorted(found.items())]


def read_round_policy(one: Round, top: Path) -> RoundPolicy:
    """What the file at the round's start says of it, which no head can change."""
    return read_policy_at(one.start, one.name, top)


def read_policy_at(commit: str, name: str, top: Path) -> RoundPolicy:
    """What the file of a commit says of the rounds of a name. Raises UsageError for what it cannot say."""
    content = read_small_blob(f"{commit}:{ROUNDS_FILE}", SIZE_LIMIT, top)
    return parse_round_policies(content).get(name, RoundPolicy()) if content else RoundPolicy()


def _list_places(one: Round, top: Path) -> Iterable[tuple[str, str]]:
    """What the refs of heads begin with, in full and as people say them: those here first."""
    yield f"{_HEADS}{one.tag}/", f"{one.tag}/"
    for remote in git("remote", cwd=top).decode(errors="surrogateescape").splitlines():
        yield f"{_REMOTES}{remote}/{one.tag}/", f"{remote}/{one.tag}/"


def _choose_newest(who: str, refs: Sequence[tuple[str, ListedRef]], top: Path) -> SubmittedHead:
    """Of several branches, the one that builds on the others; else the one that was committed last."""
    name, newest = refs[0]
    for other_name, other in refs[1:]:
        if _is_newer(other.commit, newest.commit, top):
            name, newest = other_name, other
    replaced = tuple([other_name for other_name, other in refs if other.commit != newest.commit])
    return SubmittedHead(who, name, newest.commit, replaced)


def _is_newer(one: str, other: str, top: Path) -> bool:
    if one == other or is_ancestor(one, other, top):
        return False
    return is_ancestor(other, one, top) or commit_time(one, top) > commit_time(other, top)


def _tag_message(name: str, number: int) -> str:
    return f"Start of round {number} of {name}"
