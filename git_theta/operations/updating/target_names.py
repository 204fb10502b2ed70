"""Which parameter an adapter means: by its own name, or by one that the whole adapter has more, or less, of in front.

An adapter may be trained on a model that is a part of the one that was saved, or around it: then all its names lack,
or have, the same words before the first dots. Nothing else is guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from git_theta.errors import UsageError
from git_theta.operations.updating.update_steps import ParameterUpdate
from git_theta.words import join_some

_HINT = "See the names of the checkpoint: git theta ls-files --parameters. And whether the adapter was made for it."


class Shift(NamedTuple):
    """What is put before every name of an adapter, or taken from it: words that end with a dot, or nothing."""

    added: str = ""
    removed: str = ""

    def apply(self, name: str) -> str:
        """The checkpoint's name for an adapter's."""
        return self.added + name.removeprefix(self.removed)


def find_shift(updates: Sequence[ParameterUpdate], names: Collection[str]) -> Shift:
    """What to do to the adapter's names to get the checkpoint's, ``names``.

    Raises UsageError, with the name, where one finds no parameter, or it is not clear which.
    """
    wanted = [update.name for update in updates if not update.optional]
    if all(name in names for name in wanted):
        return Shift()
    suffixes = _index_suffixes(names)
    found = {name: set(_find_shifts(name, names, suffixes)) for name in wanted}
    if lost := [name for name in wanted if not found[name]]:
        raise UsageError(f"the checkpoint has no parameter for {join_some(lost, 5)}", hint=_HINT)
    shared = sorted(set.intersection(*found.values()))
    if len(shared) == 1:
        return shared[0]
    name = min(wanted, key=lambda one: len(found[one]))
    if shared:
        candidates = join_some([shift.apply(name) for shift in shared], 5)
        raise UsageError(f"{name} may be any of {candidates}", hint=_HINT)
    other = next(one for one in wanted if not found[name] & found[one])
    one, two = min(found[name]).apply(name), min(found[other]).apply(other)
    raise UsageError(f"{name} would be {one}, but {other} {two}: they differ in front", hint=_HINT)


def _index_suffixes(names: Collection[str]) -> dict[str, list[str]]:
    """What follows a dot of a name, to what stands before it in each of the names."""
    found: dict[str, list[str]] = {}
    for name in names:
        for at, letter in enumerate(name):
            if letter == ".":
                found.setdefault(name[at + 1 :], []).append(name[: at + 1])
    return found


def _find_shifts(name: str, names: Collection[str], suffixes: dict[str, list[str]]) -> Iterator[Shift]:
    if name in names:
        yield Shift()
    for prefix in suffixes.get(name, ()):
        yield Shift(added=prefix)
    for at, letter in enumerate(name):
        if letter == "." and name[at + 1 :] in names:
            yield Shift(removed=name[: at + 1])
