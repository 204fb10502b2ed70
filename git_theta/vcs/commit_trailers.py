"""Trailers of commits: ``Key: value`` at the end of their messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from git_theta.vcs.git import read_fields, run_git

_SEPARATOR = "\x1e"


class TrailedCommit(NamedTuple):
    """A commit, with the values of those of its trailers that were asked for: by key, in order, () for none."""

    oid: str
    parents: tuple[str, ...]
    subject: str
    trailers: Mapping[str, tuple[str, ...]]


def read_trailers(revision: str, keys: Sequence[str]) -> Iterator[TrailedCommit]:
    """All commits that a revision reaches, with these trailers. Keys are matched in any case, as Git does."""
    values = "%x00".join(f"%(trailers:key={key},valueonly,unfold,separator=%x1e)" for key in keys)
    form = f"%H%x00%P%x00%s%x00{values}"
    command = ("log", "-z", "--encoding=UTF-8", "--no-show-signature", f"--format=tformat:{form}", revision, "--")
    with run_git(*command) as output:
        fields = read_fields(output)
        for oid in fields:
            parents, subject, *found = (next(fields) for _ in range(2 + len(keys)))
            trailers = {key: tuple(filter(None, text.split(_SEPARATOR))) for key, text in zip(keys, found, strict=True)}
            yield TrailedCommit(oid, tuple(parents.split()), subject, trailers)
