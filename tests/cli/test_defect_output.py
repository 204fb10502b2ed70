"""A defect is said in one line, which names the object once."""

from __future__ import annotations

import pytest

from git_theta.cli.defect_output import format_defect
from git_theta.errors import CorruptObject
from git_theta.operations.keeping.inventory import Defect

OID = "ab" * 32


@pytest.mark.parametrize("message", ["is damaged", f"object {OID} is damaged"])
def test_the_object_is_named_once(message: str) -> None:
    said = format_defect(Defect(CorruptObject(message), OID, "m.pt", "cd" * 20, ("weight",)))
    assert said == f"corrupt: object {OID} is damaged; m.pt (manifest {('cd' * 20)[:12]}): 1 parameter: weight"
