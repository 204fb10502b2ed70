"""What trailers say, and what repeated data is worth, against the paper's numbers."""

from __future__ import annotations

import math

import pytest

from git_theta.errors import UsageError
from git_theta.operations.comparing.token_counts import DataSet, DataUse, TokenEntry, add_uses, parse_entry

WIKI = DataSet("wiki", "sha256:9f2c", 1000)


def test_trailers_are_read() -> None:
    assert parse_entry(["1200"], ["wiki@sha256:9f2c unique=1000"]) == TokenEntry(1200, WIKI)
    assert parse_entry([" 5 "], []) == TokenEntry(5, None)
    assert parse_entry([], []) is None


def test_other_people_s_trailers_say_nothing() -> None:
    assert parse_entry([], ["see the wiki"]) is None
    assert parse_entry([], ["one", "two"]) is None


@pytest.mark.parametrize(
    ("seen", "data", "reason"),
    [
        (["-5"], [], "Tokens-Seen takes a whole number of tokens up to 1e\\+18, not '-5'"),
        (["1e30"], [], "not '1e30'"),
        (["9" * 19], [], "up to 1e\\+18"),
        (["9" * 400], [], "up to 1e\\+18"),
        (["1.5"], [], "whole number"),
        (["²"], [], "whole number"),
        ([], ["wiki@sha256:9f2c unique=1000"], "names a data set, and not how many tokens were seen of it"),
        (["1", "2"], [], "has 2 trailers Tokens-Seen"),
        (["1"], ["a@1234 unique=1", "b@5678 unique=1"], "has 2 trailers Data"),
        (["1"], ["wiki unique=3"], "Data takes NAME@DIGEST unique=N, not 'wiki unique=3'"),
        (["1"], ["wiki@12 unique=3"], "Data takes"),
        (["1"], ["wiki@1234 unique=0"], "wiki has no tokens"),
        (["1"], ["wiki@1234 unique=-3"], "unique takes a whole number"),
    ],
)
def test_what_cannot_be_counted_is_refused(seen: list[str], data: list[str], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        parse_entry(seen, data)


@pytest.mark.parametrize(("epochs", "worth"), [(1, 100), (4, 82), (16, 38), (40, 8)])
def test_the_next_epoch_is_worth_what_the_paper_says(epochs: int, worth: int) -> None:
    use = DataUse(WIKI, epochs * WIKI.unique)
    assert use.next_epoch is not None
    assert round(100 * use.next_epoch) == worth
    assert use.is_repeated == (epochs > 4)


def test_effective_tokens_are_the_sum_of_what_epochs_are_worth() -> None:
    """The formula is the integral of exp(-r / R*) over the repetitions."""
    use = DataUse(WIKI, 9 * WIKI.unique)
    steps = 100_000
    integral = sum(math.exp(-(8 * (at + 0.5) / steps) / 15.39) for at in range(steps)) * 8 / steps
    assert use.effective == pytest.approx(WIKI.unique * (1 + integral), rel=1e-9)


def test_less_than_an_epoch_is_all_new() -> None:
    use = DataUse(WIKI, 300)
    assert (use.epochs, use.effective, use.next_epoch, use.is_repeated) == (0.3, 300.0, 1.0, False)


def test_no_data_set_no_epochs() -> None:
    use = DataUse(None, 300)
    assert (use.epochs, use.effective, use.next_epoch, use.is_repeated) == (None, None, None, False)


def test_data_sets_are_told_apart_by_digest_whatever_their_names() -> None:
    other = WIKI._replace(digest="sha256:0000")
    renamed = WIKI._replace(name="wikipedia")
    found = add_uses(
        [TokenEntry(5, WIKI), TokenEntry(7, other), TokenEntry(1, None), TokenEntry(2, renamed), TokenEntry(3, None)]
    )
    assert found == (DataUse(WIKI, 7), DataUse(other, 7), DataUse(None, 4))
