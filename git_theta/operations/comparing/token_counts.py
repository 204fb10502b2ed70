"""Tokens that a model has seen, by data set: from the trailers of commits to epochs, and what repeating data is worth.

Source: Muennighoff et al., Scaling Data-Constrained Language Models (arXiv 2305.16264), equation 5, with the constant
that was found there on C4: on other data it is another one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from git_theta.errors import UsageError

SEEN_KEY, DATA_KEY = "Tokens-Seen", "Data"
"""Of the trailers: how many tokens a commit's training took, and from which data set."""
HALF_LIFE = 15.39
"""R*: after so many repetitions one more is worth 1/e of new data."""
MANY_EPOCHS = 4
"""Up to which repeating is nearly as good as new data."""
_LARGEST = 10**18
"""Tokens: more than there are."""
_COUNT = re.compile(r"[0-9]{1,19}")
_DATA = re.compile(r"(?P<name>[^\s@]{1,100})@(?P<digest>[0-9A-Za-z:._-]{4,200})\s+unique=(?P<unique>\S+)")


class DataSet(NamedTuple):
    """A data set: what people call it, what tells it from all others, and how many tokens it has."""

    name: str
    digest: str
    unique: int


class TokenEntry(NamedTuple):
    """What one commit says: so many tokens, of that data set; None where it names none."""

    seen: int
    data: DataSet | None


class DataUse(NamedTuple):
    """How much of a data set was seen. ``data`` is None for tokens that nobody said the data set of."""

    data: DataSet | None
    seen: int

    @property
    def epochs(self) -> float | None:
        """How often all of it was seen."""
        return self.seen / self.data.unique if self.data else None

    @property
    def effective(self) -> float | None:
        """D': how many tokens of new data it is worth: U + U R* (1 - exp(-R / R*)), R = D / U - 1."""
        if self.data is None:
            return None
        repeated = self.seen / self.data.unique - 1
        if repeated <= 0:
            return float(self.seen)
        return self.data.unique * (1 + HALF_LIFE * -math.expm1(-repeated / HALF_LIFE))

    @property
    def next_epoch(self) -> float | None:
        """What one more epoch is worth, relative to as much new data: exp(-R / R*)."""
        if self.data is None:
            return None
        return math.exp(-max(0.0, self.seen / self.data.unique - 1) / HALF_LIFE)

    @property
    def is_repeated(self) -> bool:
        """Whether it was seen more often than what is nearly as good as new data."""
        return (self.epochs or 0.0) > MANY_EPOCHS


def parse_entry(seen: Sequence[str], data: Sequence[str]) -> TokenEntry | None:
    """What the trailers of a commit say; None where they say nothing. Raises UsageError for what cannot be counted.

    Args:
        seen: the values of its trailers ``Tokens-Seen``.
        data: those of ``Data``: ``NAME@DIGEST unique=N``. Without ``Tokens-Seen`` those that are not of this form are
            somebody else's.
    """
    if not seen:
        if any(_DATA.fullmatch(text.strip()) for text in data):
            raise UsageError(f"names a data set, and not how many tokens were seen of it: {SEEN_KEY}: N")
        return None
    if len(seen) > 1 or len(data) > 1:
        key, values = (SEEN_KEY, seen) if len(seen) > 1 else (DATA_KEY, data)
        raise UsageError(f"has {len(values)} trailers {key}, and which one counts cannot be told")
    return TokenEntry(_parse_count(seen[0], SEEN_KEY), _parse_data(data[0]) if data else None)


def _parse_data(text: str) -> DataSet:
    found = _DATA.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{DATA_KEY} takes NAME@DIGEST unique=N, not {text[:80]!r}")
    unique = _parse_count(found["unique"], "unique")
    if not unique:
        raise UsageError(f"{found['name']} has no tokens: unique=0")
    return DataSet(found["name"], found["digest"], unique)


def _parse_count(text: str, key: str) -> int:
    if not _COUNT.fullmatch(text.strip()) or int(text) > _LARGEST:
        raise UsageError(f"{key} takes a whole number of tokens up to {_LARGEST:.0e}, not {text[:40]!r}")
    return int(text)


def add_uses(entries: Iterable[TokenEntry]) -> tuple[DataUse, ...]:
    """What was seen of each data set, in the order in which they came; data sets are told apart by their digests."""
    sets: dict[str, DataSet | None] = {}
    totals: dict[str, int] = {}
    for entry in entries:
        digest = entry.data.digest if entry.data else ""
        sets.setdefault(digest, entry.data)
        totals[digest] = totals.get(digest, 0) + entry.seen
    return tuple([DataUse(sets[digest], total) for digest, total in totals.items()])


def accumulate_worth(entries: Iterable[TokenEntry]) -> Iterator[float | None]:
    """After each entry, what all up to it are worth, as tokens of new data; None once some are of no data set."""
    uses: dict[str, DataUse] = {}
    for seen, data in entries:
        digest = data.digest if data else ""
        before = uses.get(digest, DataUse(data, 0))
        uses[digest] = before._replace(seen=before.seen + seen)
        worth = [use.effective for use in uses.values()]
        yield None if None in worth else math.fsum(filter(None, worth))
