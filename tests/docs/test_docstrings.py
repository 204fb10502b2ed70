"""Docstrings go stale in no silence: what they list by name, and the code that they refer to, is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from tests.syntax_trees import nodes_of

ROOT = Path(__file__).parents[2]
FOLDERS = ("git_theta", "plugins", "benchmarks", "demo")
FILES = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
LISTED = re.compile(r"^( *)(Args|Attributes):\n((?:\1 +.*\n|\n)+)", re.MULTILINE)
"""A section of a docstring: its indentation, what it lists, and its lines."""
REFERENCE = re.compile(r":(?:func|class|meth|attr|data):`~?([\w.]+)`")
"""What a docstring refers to, as Sphinx has it."""

Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def classes() -> dict[str, ast.ClassDef]:
    nodes = (node for file in FILES for node in nodes_of(file))
    return {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}


@cache
def documented(file: Path) -> list[tuple[Documented, str]]:
    return list(_read_documented(file))


def _read_documented(file: Path) -> Iterator[tuple[Documented, str]]:
    for node in nodes_of(file):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            yield node, f"{text}\n"


def listed_names(docstring: str, title: str) -> Iterator[str]:
    """What a section lists; names that share a line stand with commas between."""
    for section in LISTED.finditer(docstring):
        if section[2] == title:
            deepest = min(len(line) - len(line.lstrip()) for line in section[3].splitlines() if line.strip())
            for names in re.findall(rf"^ {{{deepest}}}([^ ].*?)(?::| \()", section[3], re.MULTILINE):
                yield from (name.strip("*") for name in names.split(", "))


def arguments_of(node: Documented) -> set[str]:
    """The parameters of a function; of a class those of its constructor, its fields where it writes none."""
    if isinstance(node, ast.ClassDef):
        made = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name in ("__init__", "__new__")]
        return set().union(*map(arguments_of, made)) if made else attributes_of(node)
    given = node.args
    return {one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg) if one}


def attributes_of(node: ast.ClassDef) -> set[str]:
    """The fields, properties and methods of a class, and of those of ours that it derives from."""
    bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
    above = [classes()[base.id] for base in bases if isinstance(base, ast.Name) and base.id in classes()]
    found = set().union(*map(attributes_of, above))
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef):
            found.add(inner.name)
        elif isinstance(inner, (ast.Attribute, ast.Name)) and isinstance(inner.ctx, ast.Store):
            found.add(inner.attr if isinstance(inner, ast.Attribute) else inner.id)
    return found


def defined_names(file: Path) -> set[str]:
    """What a file defines or imports, at any depth."""
    found = set()
    for node in nodes_of(file):
        if isinstance(node, Documented):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[-1])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


@pytest.mark.parametrize("title", ["Args", "Attributes"])
def test_what_is_listed_is_there(title: str) -> None:
    stale = [
        (str(file.relative_to(ROOT)), node.name, name)
        for file in FILES
        for node, text in documented(file)
        for name in listed_names(text, title)
        if name
        not in (attributes_of(node) if isinstance(node, ast.ClassDef) and title != "Args" else arguments_of(node))
    ]
    assert not stale


def test_what_is_referred_to_is_there() -> None:
    stale = []
    for file in FILES:
        here = defined_names(file) | classes().keys()
        for node, text in documented(file):
            names = REFERENCE.findall(text)
            stale += [
                (str(file.relative_to(ROOT)), node.name, name) for name in names if name.split(".")[0] not in here
            ]
    assert not stale


def test_a_string_that_stands_alone_is_about_the_name_before_it() -> None:
    """One whose constant was taken away tells of nothing."""
    stale = []
    for file in FILES:
        for node in nodes_of(file):
            statements = getattr(node, "body", ())
            for before, after in pairwise(statements if isinstance(statements, list) else ()):
                if is_text(after) and not isinstance(before, (ast.Assign, ast.AnnAssign)):
                    stale.append((str(file.relative_to(ROOT)), after.lineno))
    assert not stale


def is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
