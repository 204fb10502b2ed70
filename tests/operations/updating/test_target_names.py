"""Which parameter an adapter means: one shift of all its names, or none."""

from __future__ import annotations

import pytest

from git_theta.errors import UsageError
from git_theta.operations.updating.target_names import Shift, find_shift
from git_theta.operations.updating.update_steps import ParameterUpdate


def updates(*names: str) -> list[ParameterUpdate]:
    """A question mark behind a name: the checkpoint may lack it."""
    return [ParameterUpdate(name.removesuffix("?"), (), name.endswith("?")) for name in names]


@pytest.mark.parametrize(
    ("wanted", "names", "shift"),
    [
        (["a.w"], ["a.w", "m.a.w"], Shift()),
        (["a.w", "b.w"], ["m.a.w", "m.b.w", "n.b.w"], Shift(added="m.")),
        (["m.a.w", "m.b.w"], ["a.w", "b.w"], Shift(removed="m.")),
        (["a.w", "a.b?"], ["m.a.w"], Shift(added="m.")),
        (["w"], ["m.w"], Shift(added="m.")),
        ([], ["a"], Shift()),
    ],
)
def test_one_shift_holds_for_every_name(wanted: list[str], names: list[str], shift: Shift) -> None:
    assert find_shift(updates(*wanted), names) == shift
    assert all(shift.apply(name) in names for name in wanted if not name.endswith("?"))


@pytest.mark.parametrize(
    ("wanted", "names", "said"),
    [
        (["a.w"], ["m.a.w", "n.a.w"], "a.w may be any of m.a.w, n.a.w"),
        (["a.w"], ["xa.w", "b.w"], "no parameter for a.w"),
        (["a.w", "n.b.w"], ["m.a.w", "b.w"], "they differ in front"),
        (["a.w", "c.w", "b.w"], ["m.a.w", "m.b.w"], "no parameter for c.w"),
    ],
)
def test_nothing_is_guessed(wanted: list[str], names: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find_shift(updates(*wanted), names)
