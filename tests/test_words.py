"""Names, counts and sizes as people read them."""

from __future__ import annotations

import pytest

from git_theta.words import escape_unprintable, group_names, humanize_size, pluralize, redact_logins


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("encoder.café.权重", "encoder.café.权重"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("two\nlines\t", r"two\nlines\t"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\udc80", r"\udc80"),
        ("\x85\u2028", r"\x85\u2028"),
    ],
)
def test_nothing_steers_a_terminal(name: str, shown: str) -> None:
    assert escape_unprintable(name) == shown
    escape_unprintable(name).encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://me:s3cret@host/R: no", "at https://host/R: no"),
        ("at https://t0ken@host/R, http://a:b@c@host", "at https://host/R, http://host"),
        ("ssh://git@host:22/R and ssh://me:pw@host/R", "ssh://git@host:22/R and ssh://host/R"),
        ("git@host:R, https://host/me@R, https://host:80/ a@b", "git@host:R, https://host/me@R, https://host:80/ a@b"),
    ],
)
def test_what_lets_somebody_in_is_not_told(text: str, shown: str) -> None:
    assert redact_logins(text) == shown


def test_counts() -> None:
    assert [pluralize(number, "object") for number in (0, 1, 2000)] == ["0 objects", "1 object", "2,000 objects"]


@pytest.mark.parametrize(
    ("amount", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (90_868_376, "90.9 MB"), (2e12, "2.0 TB")]
)
def test_sizes(amount: int | float, said: str) -> None:
    assert humanize_size(amount) == said


def test_many_names_are_grouped_by_what_they_begin_with() -> None:
    names = [f"model.layer.{layer}.attention.{part}.weight" for layer in range(2) for part in "abcdefghijklmno"]
    assert group_names(names[:3]) == [(name, [name]) for name in names[:3]]
    groups = group_names([*names, "head.bias"])
    assert [(label, len(held)) for label, held in groups] == [
        ("model.layer.0.attention.*", 15),
        ("model.layer.1.attention.*", 15),
        ("head.bias", 1),
    ]
    assert len(group_names([f"p{number}" for number in range(50)])) == 50
