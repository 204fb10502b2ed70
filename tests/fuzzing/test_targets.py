"""L10: whatever bytes a parser is given, nothing but an error of ours comes out, soon, and out of little memory.

`make fuzz` goes on for as long as somebody wants, and lets itself be led by which lines are reached.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_theta.known_plugins import BUILT_IN
from tests.effort import choose_tries
from tests.fuzzing.damage import damaged
from tests.fuzzing.kit_seeds import KITS
from tests.fuzzing.targets import LONGEST, TARGETS, require_own_errors

FOUND = Path(__file__).parent / "found"
"""What `make fuzz` has found: by target, the bytes that the parser was mended for."""

# pickletools warns about odd escapes in text opcodes; a warning is no way to fail.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@cache
def seeds_of(name: str) -> list[bytes]:
    seeds = list(dict.fromkeys(TARGETS[name].make_seeds()))
    assert seeds
    return seeds


@pytest.mark.parametrize("name", TARGETS)
def test_valid_bytes_are_read(name: str) -> None:
    """Or a target that refuses everything would pass, too."""
    errors = [require_own_errors(TARGETS[name].read, seed) for seed in seeds_of(name)]
    assert None in errors


@pytest.mark.parametrize("name", TARGETS)
@settings(
    max_examples=choose_tries(few=60, many=1500),
    deadline=LONGEST * 1000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(draw=st.data())
def test_damaged_bytes_are_read_or_refused(name: str, draw: st.DataObject) -> None:
    data = draw.draw(st.sampled_from(seeds_of(name)).flatmap(damaged))
    require_own_errors(TARGETS[name].read, data)


@settings(max_examples=choose_tries(few=100, many=1000), deadline=LONGEST * 1000)
@given(data=st.binary(max_size=200))
def test_garbage_is_read_or_refused(data: bytes) -> None:
    for target in TARGETS.values():
        require_own_errors(target.read, data)


@pytest.mark.parametrize("file", sorted(FOUND.glob("*/*")), ids=lambda file: f"{file.parent.name}-{file.name}")
def test_what_was_found_is_read_or_refused(file: Path) -> None:
    require_own_errors(TARGETS[file.parent.name].read, file.read_bytes())


def test_every_format_and_update_of_ours_is_a_target() -> None:
    assert BUILT_IN["formats"].keys() - {"opaque"} <= KITS.keys()
    assert {f"stored-{update}" for update in BUILT_IN["updates"]} <= TARGETS.keys()
