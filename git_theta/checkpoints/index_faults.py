"""Where an index and the shards that it speaks of contradict each other: a loader then gets other weights, or none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from git_theta.checkpoints.index_file import places_named_by
from git_theta.words import join_some

ShardNames = Mapping[str, Collection[str] | None]
"""Path of each file of a checkpoint to the names in it; None for one that is not stored by parameters."""


def find_index_faults(index_path: str, text: bytes, shards: ShardNames) -> list[str]:
    """What is wrong, in words, one for each pair of files: nothing where every parameter is where the index says.

    Args:
        index_path: of the index.
        text: of the index. One without a weight map is no index, and says nothing, but for conflict markers.
        shards: the files that are there, those that the index does not name among them.
    """
    named = places_named_by(index_path, text)
    if not named:
        return list(_find_markers(index_path, text)) if shards else []
    places = _places_in(shards)
    gone = sorted(set(named.values()) - shards.keys())
    surplus = sorted(path for path in shards if path not in named.values())
    return [
        *(f"{index_path} names {path}, which is not there" for path in gone),
        *(f"{path} is no shard that {index_path} names" for path in surplus),
        *_find_misplaced(index_path, named, places, shards),
        *_find_repeated(places, surplus),
        *_find_unnamed(index_path, named, shards, surplus),
    ]


def _find_markers(index_path: str, text: bytes) -> Iterator[str]:
    """Git merges an index as text, and records what it left where somebody takes that for settled."""
    lines = text.splitlines()
    if all(any(line.startswith(marker * 7) for line in lines) for marker in (b"<", b"=", b">")):
        yield f"{index_path} has conflict markers in it: no loader can read it"


def _places_in(shards: ShardNames) -> dict[str, list[str]]:
    """Name to the paths of the files that have it."""
    places: dict[str, list[str]] = {}
    for path, names in shards.items():
        for name in names or ():
            places.setdefault(name, []).append(path)
    return places


def _find_misplaced(
    index_path: str, named: Mapping[str, str], places: Mapping[str, list[str]], shards: ShardNames
) -> Iterator[str]:
    wrong: dict[tuple[str, str], list[str]] = {}
    for name, path in named.items():
        held = shards.get(path)
        if held is not None and name not in held:
            wrong.setdefault((path, (places.get(name) or [""])[0]), []).append(name)
    for (path, other), names in sorted(wrong.items()):
        where = f"not there but in {other}" if other else "nowhere"
        yield f"{index_path} puts {_join(names)} in {path}: {_verb(names)} {where}"


def _find_repeated(places: Mapping[str, list[str]], surplus: Collection[str]) -> Iterator[str]:
    yield from _say_grouped(
        ((" and ".join(path for path in paths if path not in surplus), name) for name, paths in places.items()),
        lambda where, names: f"{_join(names)} stand{'s' * (len(names) == 1)} in {where}" if " and " in where else "",
    )


def _find_unnamed(
    index_path: str, named: Mapping[str, str], shards: ShardNames, surplus: Collection[str]
) -> Iterator[str]:
    found = ((path, name) for path, held in shards.items() for name in held or () if path not in surplus)
    yield from _say_grouped(
        ((path, name) for path, name in found if name not in named),
        lambda path, names: f"{path} has {_join(names)}, which {index_path} does not name",
    )


def _say_grouped(pairs: Iterator[tuple[str, str]], say: Callable[[str, list[str]], str]) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for key, name in pairs:
        groups.setdefault(key, []).append(name)
    yield from filter(None, (say(key, names) for key, names in sorted(groups.items())))


def _join(names: list[str]) -> str:
    return join_some(sorted(names), 5)


def _verb(names: list[str]) -> str:
    return "it is" if len(names) == 1 else "they are"
