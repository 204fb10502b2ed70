"""The specification suffices: a reader written from it alone restores every golden set."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import pytest

from tests.golden.test_golden import MANIFESTS, sums
from tests.spec import independent_reader
from tests.spec.independent_reader import restore


@pytest.mark.parametrize(("folder", "name"), MANIFESTS)
def test_it_restores_the_golden_sets(folder: Path, name: str) -> None:
    def get(oid: str) -> bytes:
        return (folder / "objects" / oid[:2] / oid[2:4] / oid).read_bytes()

    whole = restore((folder / "manifests" / name).read_bytes(), get)
    assert hashlib.sha256(whole).hexdigest() == sums(folder)[name]


def test_it_is_independent() -> None:
    tree = ast.parse(Path(independent_reader.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} | {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    assert not {name for name in imported if name and name.startswith(("git_theta", "tests"))}
