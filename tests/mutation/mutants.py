"""Small wrong programs made of a right one: each has one place changed, as a slip of the keyboard or mind would."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import NamedTuple

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


Change = Callable[[ast.AST], None]
"""Makes a node wrong."""


class Mutant(NamedTuple):
    """A changed program.

    Attributes:
        line: of the change, in the right program.
        before, after: the statement or expression that was changed, as source.
        source: the whole program.
    """

    line: int
    before: str
    after: str
    source: str


def mutants_of(source: str, seed: int) -> Iterator[Mutant]:
    """Every mutant of a program, in an order that the seed decides."""
    tree = ast.parse(source)
    places = [(index, change) for index, node in enumerate(ast.walk(tree)) for change in _changes_of(node)]
    random.Random(seed).shuffle(places)
    return (_changed(tree, index, change) for index, change in places)


def _changed(tree: ast.Module, index: int, change: Change) -> Mutant:
    copy = deepcopy(tree)
    target = next(node for at, node in enumerate(ast.walk(copy)) if at == index)
    line, before = getattr(target, "lineno", 0), ast.unparse(target)
    change(target)
    ast.fix_missing_locations(copy)
    return Mutant(line, before, ast.unparse(target), ast.unparse(copy))


def _changes_of(node: ast.AST) -> Iterator[Change]:
    """What can be wrong about a node, as functions that make it wrong."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARISONS:
        yield _flip_comparison
    elif isinstance(node, ast.BoolOp):
        yield _swap_and_or
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield _drop_not
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
        yield _assign_nothing
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Call):
        yield _return_nothing
    elif (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)) or isinstance(node, ast.Raise):
        yield _skip_call


def _flip_comparison(node: ast.AST) -> None:
    assert isinstance(node, ast.Compare)
    node.ops[0] = _COMPARISONS[type(node.ops[0])]()


def _swap_and_or(node: ast.AST) -> None:
    assert isinstance(node, ast.BoolOp)
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()


def _drop_not(node: ast.AST) -> None:
    assert isinstance(node, ast.UnaryOp)
    node.operand = ast.UnaryOp(ast.Not(), node.operand)


def _assign_nothing(node: ast.AST) -> None:
    assert isinstance(node, ast.Assign)
    node.value = ast.List(elts=[], ctx=ast.Load())


def _return_nothing(node: ast.AST) -> None:
    assert isinstance(node, ast.Return)
    node.value = ast.List(elts=[], ctx=ast.Load())


def _skip_call(node: ast.AST) -> None:
    """A statement that does nothing, in place of one that does something."""
    node.__class__ = ast.Pass
