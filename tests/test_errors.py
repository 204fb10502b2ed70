"""The exception tree: what it prints, its exit codes, and the drawing of it in its docstring."""

from __future__ import annotations

import re

import pytest

from git_theta import errors
from git_theta.errors import (
    BranchMoved,
    CorruptObject,
    GitError,
    ManifestError,
    NewerManifest,
    NewerPlugin,
    PluginError,
    ThetaError,
)

CLASSES: dict[str, type[ThetaError]] = {
    name: value for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, ThetaError)
}


def test_an_error_says_where_and_what() -> None:
    error = CorruptObject("it is damaged", hint="mend it", path="a.pt", parameter="layer.weight")
    assert (str(error), error.hint) == ("a.pt: layer.weight: it is damaged", "mend it")
    assert str(CorruptObject("it is damaged")) == "it is damaged"


def test_located_adds_what_is_not_known_and_keeps_what_is() -> None:
    error = CorruptObject("it is damaged", parameter="inner")
    assert error.add_location(path="a.pt", parameter="outer") is error
    assert str(error) == "a.pt: inner: it is damaged"


def test_every_error_is_one_of_ours() -> None:
    exceptions = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert exceptions == set(CLASSES.values())


def test_the_drawing_names_every_error_and_its_exit_code() -> None:
    drawn = re.findall(r"^[ |`-]*([A-Z]\w+) +exit (\d+) ", str(errors.__doc__), re.MULTILINE)
    assert {name: int(code) for name, code in drawn} == {name: value.exit_code for name, value in CLASSES.items()}


def test_an_exit_code_means_one_thing() -> None:
    kinds = {NewerManifest: ManifestError, BranchMoved: GitError, NewerPlugin: PluginError}
    codes = [value.exit_code for value in CLASSES.values() if value not in kinds]
    assert len(codes) == len(set(codes))
    assert all(kind.exit_code == of.exit_code for kind, of in kinds.items())


@pytest.mark.parametrize("value", CLASSES.values())
def test_exit_codes_leave_room_for_those_of_others(value: type[ThetaError]) -> None:
    """64 and above are sysexits', 126 and above the shell's."""
    assert 0 < value.exit_code < 64
