"""Names are the words of the field: one name stands for one thing, and functions are verbs with their object."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import git_theta
from tests.syntax_trees import nodes_of

ROOT = Path(git_theta.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
SAME_EVERYWHERE = {"__init__", "base"}
"""A room's door and its seam are called alike in every room."""
PARTICIPLE = re.compile(r"_*(?:[a-z]+ed|told|said|held|made|taken|known|given|kept|found|left|sent|built|written)")
"""What was done, not what to do: a function called so says neither what it gives nor to what."""


def test_no_two_modules_are_called_alike() -> None:
    places = defaultdict(list)
    for file in FILES:
        places[file.stem].append(file.relative_to(ROOT))
    assert not {name: found for name, found in places.items() if len(found) > 1 and name not in SAME_EVERYWHERE}


def test_one_name_is_one_type() -> None:
    places = defaultdict(list)
    for file in FILES:
        for node in nodes_of(file):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(file.relative_to(ROOT))
    assert not {name: found for name, found in places.items() if len(found) > 1}


def test_no_function_is_a_bare_participle() -> None:
    functions = [
        (file.relative_to(ROOT), node)
        for file in FILES
        for node in nodes_of(file)
        if isinstance(node, ast.FunctionDef) and not is_property(node)
    ]
    assert not [(file, node.name) for file, node in functions if PARTICIPLE.fullmatch(node.name)]


def is_property(function: ast.FunctionDef) -> bool:
    """Properties are read like fields: nouns and states."""
    return any(isinstance(one, ast.Name) and one.id.endswith("property") for one in function.decorator_list)
