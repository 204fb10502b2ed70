"""What a project says of its rounds, in ``.theta/rounds.toml``."""

from __future__ import annotations

import pytest

from git_theta.errors import UsageError
from git_theta.merging.policies.round_policy import RoundPolicy, RoundScreen, parse_round_policies, parse_screen
from git_theta.tracked_toml import SIZE_LIMIT

FILE = b"""\
[round.cold]
private = ["head.*", "classifier"]
mad = 2.5
eval = "classes"

[round.warm]
"""


def test_a_table_is_the_policy_of_a_name() -> None:
    found = parse_round_policies(FILE)
    assert found == {
        "cold": RoundPolicy(("head.*", "classifier"), RoundScreen(2.5, "classes")),
        "warm": RoundPolicy((), RoundScreen(4, "")),
    }
    is_private = found["cold"].match_private()
    assert [is_private(name) for name in ("head.a.b", "head", "classifier", "classifier.x")] == [
        True,
        False,
        True,
        False,
    ]
    assert not found["warm"].match_private()("head.a"), "without a glob nothing is private"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("privat = 1", "unknown key 'privat'"),
        ("private = 1", "private is neither a glob nor a list of globs"),
        ('private = [""]', "private is neither a glob nor a list of globs"),
        ('private = ["[a"]', "[a"),
        ("mad = -1", "mad is no number of deviations: -1"),
        ("mad = nan", "mad is no number of deviations: nan"),
        ("mad = inf", "mad is no number of deviations: inf"),
        ("mad = true", "mad is no number of deviations: True"),
        ("mad = []", "mad is no number of deviations: []"),
        ("eval = 1", "eval is not the name of an evaluation"),
    ],
)
def test_what_a_policy_cannot_say_is_refused_by_its_name(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_round_policies(b"[round.cold]\n" + line.encode())
    assert str(caught.value).startswith(".theta/rounds.toml: round.cold: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"round = 1", b"round = { cold = 1 }", b"[rounds]", b"\xff", b"[", bytes(SIZE_LIMIT + 1)]
)
def test_what_is_no_list_of_rounds_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"^\.theta/rounds\.toml: "):
        parse_round_policies(content)


def test_a_screen_is_said_in_a_word() -> None:
    usual = RoundScreen(4, "classes")
    assert parse_screen("mad=2", usual) == RoundScreen(2, "classes")
    assert parse_screen("mad=0,eval=", usual) == RoundScreen(0, "")
    assert parse_screen("eval=other", usual) == RoundScreen(4, "other")
    for text in ("mad", "", "size=3", "mad=4,"):
        with pytest.raises(UsageError, match="is no screen"):
            parse_screen(text, usual)
    with pytest.raises(UsageError, match="mad is no number of deviations: 'x'"):
        parse_screen("mad=x", usual)
