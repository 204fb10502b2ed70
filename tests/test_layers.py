"""The house's floors: who may import whom (the design's table, as data), and no cycles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import git_theta
from tests.syntax_trees import nodes_of, tree_of

ROOT = Path(git_theta.__file__).parent
GROUND = {
    "errors", "entry_points", "known_plugins", "registered_names", "plugin_guard", "registry", "words", "globs",
    "tracked_toml", "interrupts",
}  # fmt: skip
VALUES = GROUND | {"tensors"}
STORAGE = VALUES | {"updates", "serializers", "store", "manifest"}
COMPARED = VALUES | {"manifest", "checkpoints", "parameters"}
BELOW_OPERATIONS = STORAGE | {"formats", "checkpoints", "parameters", "diffing", "merging", "evaluation"}
BELOW_REPOSITORY = BELOW_OPERATIONS | {"operations", "transport", "vcs"}

MAY_IMPORT: dict[str, set[str]] = {
    "": {"merging", "api", "errors"},
    "errors": set(),
    "words": set(),
    "entry_points": set(),
    "known_plugins": set(),
    "registered_names": {"errors", "entry_points", "known_plugins"},
    "plugin_guard": {"errors", "known_plugins", "registered_names"},
    "registry": {"errors", "known_plugins", "plugin_guard", "registered_names"},
    "globs": {"errors"},
    "interrupts": set(),
    "tracked_toml": {"errors", "words"},
    "tensors": GROUND,
    "formats": VALUES,
    "updates": VALUES,
    "serializers": VALUES,
    "store": VALUES,
    "manifest": VALUES,
    "parameters": STORAGE,
    "checkpoints": STORAGE | {"formats"},
    "diffing": COMPARED,
    "merging": COMPARED,
    "evaluation": GROUND,
    "operations": BELOW_OPERATIONS,
    "transport": VALUES | {"store", "manifest", "vcs"},
    "vcs": GROUND,
    "repository": BELOW_REPOSITORY,
    "cli": BELOW_REPOSITORY | {"repository", ""},
    "api": BELOW_REPOSITORY | {"repository"},
    "__main__": {"cli"},
    "testing": BELOW_OPERATIONS | {"transport"},
}
"""Room (a folder or a single module of the package) to the rooms that it may import, beside itself."""

ONLY_IN = {
    "pytest": {"testing"},
    "click": {"cli"},
    "rich": {"cli"},
    "git": {"api"},
    "pandas": {"api"},
    "ml_dtypes": {"api"},
    "matplotlib": {"diffing"},
    "torch": {"tensors", "merging", "api"},
    "array_api_compat": {"tensors"},
    "cma": {"evaluation"},
    "distributed": {"repository"},
}
"""Third-party packages to the rooms that may import them; ``git`` is GitPython, for API and porcelain alone."""
AT_THE_TOP = {"testing": {"pytest"}, "cli": {"click", "rich"}}
"""Third-party packages that a room may import when it is imported itself; all others wait in functions (L12)."""


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    return {_dotted(file): file for file in sorted(ROOT.rglob("*.py"))}


def _dotted(file: Path) -> str:
    return ".".join(("git_theta", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def room(module: str) -> str:
    """The room that a module of the package is in; "" for the package itself."""
    return [*module.split("."), ""][1]


@cache
def imports(module: str) -> tuple[tuple[str, bool], ...]:
    """What a module imports, in functions too: dotted names, and whether on its top level."""
    return tuple(_find_imports(tree_of(modules()[module]), at_top=True))


def _find_imports(tree: ast.AST, *, at_top: bool) -> Iterator[tuple[str, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.stmt):
            yield from ((name, at_top) for name in _named(node))
            is_later = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or _is_for_types(node)
            yield from _find_imports(node, at_top=at_top and not is_later)
        elif isinstance(node, (ast.excepthandler, ast.match_case)):
            yield from _find_imports(node, at_top=at_top)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield whole if whole in modules() else str(node.module)


def ours(module: str) -> set[str]:
    """The modules of the package that a module imports."""
    return {name for name, _ in imports(module) if name.partition(".")[0] == "git_theta"}


def test_every_room_has_its_place() -> None:
    assert {room(module) for module in modules()} <= MAY_IMPORT.keys()


def test_imports_run_downward() -> None:
    rising = {
        module: {name for name in ours(module) if room(name) not in MAY_IMPORT[room(module)] | {room(module)}}
        for module in modules()
    }
    assert not {module: found for module, found in rising.items() if found}


def test_the_table_itself_runs_downward() -> None:
    assert tuple(TopologicalSorter(MAY_IMPORT).static_order())


def test_there_is_no_cycle() -> None:
    graph = {module: ours(module) - {module} for module in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_package_stays_in_its_room(package: str) -> None:
    users = {room(module) for module in modules() for name, _ in imports(module) if name.partition(".")[0] == package}
    assert users <= ONLY_IN[package]


def test_l12_heavy_packages_wait_in_functions() -> None:
    heavy = {"numpy", "torch", "safetensors", "msgpack", "backports", "compression", "pyfastcdc"} | ONLY_IN.keys()
    at_once = {module: {name.partition(".")[0] for name, at_top in imports(module) if at_top} for module in modules()}
    hasty = {module: found & heavy - AT_THE_TOP.get(room(module), set()) for module, found in at_once.items()}
    assert not {module: found for module, found in hasty.items() if found}


OPENS = {"LocalStore": {"store", "repository", "testing"}, "StateDatabase": {"repository"}}
"""Classes whose instances hold files open, to the rooms that may make one."""
READS_THE_ENVIRONMENT = {"cli", "vcs"}
"""The command line, which a person speaks to; and vcs, which hands it on to git."""


def _nodes(module: str) -> Iterator[ast.AST]:
    return iter(nodes_of(modules()[module]))


def test_stores_and_databases_are_opened_in_one_place() -> None:
    calls = {
        (module, node.func.id)
        for module in modules()
        for node in _nodes(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not {(module, name) for module, name in calls if name in OPENS and room(module) not in OPENS[name]}


def test_only_the_command_line_reads_the_environment() -> None:
    readers = {
        module
        for module in modules()
        for node in _nodes(module)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    }
    assert {room(module) for module in readers} <= READS_THE_ENVIRONMENT, readers


def test_the_check_sees_imports_in_functions() -> None:
    """Or everything above would pass on a house where all imports are hidden."""
    assert ("git_theta.repository.stores.object_fetch", False) in imports("git_theta.repository.stores.opening")
    assert ("git_theta.errors", True) in imports("git_theta.registry")
