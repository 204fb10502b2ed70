"""L10: whatever bytes a parser is given, nothing but an error of ours comes out, soon, and out of little memory.

`make fuzz` goes on for as long as somebody wants, and lets itself be led by which lines are reached.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_theta.errors import FormatError, PluginError
from git_theta.known_plugins import BUILT_IN
from tests.effort import choose_tries
from tests.fuzzing import targets
from tests.fuzzing.damage import damaged
from tests.fuzzing.kit_seeds import KITS
from tests.fuzzing.readers import Read
from tests.fuzzing.targets import LARGEST, LONGEST, TARGETS, require_own_errors

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


def raise_defect(data: bytes) -> None:
    """As the guard of a built-in raises what must not be."""
    raise PluginError("failed: KeyError", hint="This is a defect of git-theta: please report it") from KeyError(data)


@pytest.mark.parametrize("read", [raise_defect, lambda data: {}[data]])
def test_what_breaks_the_contract_is_noticed(read: Read) -> None:
    with pytest.raises((AssertionError, KeyError)):
        require_own_errors(read, b"x")


def test_memory_that_is_taken_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever other tests of this process took before."""
    monkeypatch.setattr(targets, "_peak_memory", iter([0, LARGEST]).__next__)
    with pytest.raises(AssertionError, match="too much memory"):
        require_own_errors(lambda _: None, b"x")


def test_an_error_of_ours_keeps_it() -> None:
    error = FormatError("no such file")

    def refuse(data: bytes) -> None:
        raise error

    assert require_own_errors(refuse, b"x") is error


def test_every_format_and_update_of_ours_is_a_target() -> None:
    assert BUILT_IN["formats"].keys() - {"opaque"} <= KITS.keys()
    assert {f"stored-{update}" for update in BUILT_IN["updates"]} <= TARGETS.keys()
