"""Plug-in families: implementations by name, loaded when first asked for.

A plug-in is an installed package with an entry point in one of the groups ``git_theta.plugins.FAMILY``; ours are
declared in pyproject.toml the same way. Scanning the installed packages costs more than a whole `git status` may, so
the names that ship with us are repeated in ``BUILT_IN`` (a test holds the two together) and found without a scan.

Nothing in a repository can choose a plug-in: names in manifests only select among what the user has installed (L10).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import Any, Literal

from git_theta.errors import PluginError

PluginFamily = Literal["formats", "updates", "serializers", "stores", "merges"]

BUILT_IN: dict[PluginFamily, dict[str, str]] = {
    "formats": {
        "safetensors": "git_theta.formats.safetensors.safetensors_format:SafetensorsFormat",
        "torch": "git_theta.formats.torch.torch_format:TorchZipFormat",
        "opaque": "git_theta.formats.opaque:OpaqueFormat",
    },
    "updates": {"dense": "git_theta.updates.dense:DenseUpdate"},
    "serializers": {
        "raw": "git_theta.serializers.raw:RawSerializer",
        "planes": "git_theta.serializers.planes:PlanesSerializer",
        "msgpack": "git_theta.serializers.msgpack:MsgpackSerializer",
    },
    "stores": {
        "local": "git_theta.store.local:LocalStore",
        "memory": "git_theta.store.memory:MemoryStore",
    },
    "merges": {
        "ours": "git_theta.merging.strategies.picks:OURS",
        "theirs": "git_theta.merging.strategies.picks:THEIRS",
        "base": "git_theta.merging.strategies.picks:BASE",
        "average": "git_theta.merging.strategies.means:AVERAGE",
        "weighted": "git_theta.merging.strategies.means:WEIGHTED",
        "task-arithmetic": "git_theta.merging.strategies.task_vectors:TASK_ARITHMETIC",
        "ties": "git_theta.merging.strategies.task_vectors:TIES",
        "dare": "git_theta.merging.strategies.task_vectors:DARE",
        "dare-ties": "git_theta.merging.strategies.task_vectors:DARE_TIES",
        "breadcrumbs": "git_theta.merging.strategies.task_vectors:BREADCRUMBS",
        "slerp": "git_theta.merging.strategies.slerp:SLERP",
        "model-stock": "git_theta.merging.strategies.model_stock:MODEL_STOCK",
        "smear": "git_theta.merging.strategies.smear:SMEAR",
    },
}


def load_plugin(family: PluginFamily, name: str) -> Any:
    """The class registered as ``name``; of merges, the instance.

    Raises PluginError naming what is there, when it is not, or will not import.
    """
    target = BUILT_IN[family].get(name) or plugin_targets(family).get(name)
    if target is None:
        import difflib  # only ever to phrase an error

        close = difflib.get_close_matches(name, plugin_names(family), n=1)
        guess = f"did you mean {close[0]!r}? " if close else ""
        raise PluginError(
            f"no {family[:-1]} is called {name!r}",
            hint=f"{guess}Installed: {', '.join(plugin_names(family))}. A plug-in package may be missing here.",
        )
    return _import_target(family, name, target)


def plugin_names(family: PluginFamily) -> list[str]:
    """Every name of a family: ours in the order they are tried, then plug-ins sorted."""
    return [*BUILT_IN[family], *sorted(plugin_targets(family).keys() - BUILT_IN[family].keys())]


@cache
def plugin_targets(family: PluginFamily) -> dict[str, str]:
    """Name to target of every installed entry point. Raises PluginError when two packages claim one name."""
    from importlib.metadata import entry_points  # 20 ms: only for names that do not ship with us

    return _collect_targets(
        family, ((point.name, point.value) for point in entry_points(group=f"git_theta.plugins.{family}"))
    )


def _collect_targets(family: PluginFamily, points: Iterable[tuple[str, str]]) -> dict[str, str]:
    found = dict(BUILT_IN[family])
    for name, target in points:
        if found.setdefault(name, target) != target:
            raise PluginError(
                f"two {family} are called {name!r}: {found[name]} and {target}",
                hint="Uninstall one of the two packages.",
            )
    return found


def _import_target(family: PluginFamily, name: str, target: str) -> Any:
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:
        raise PluginError(
            f"the {family[:-1]} {name!r} ({target}) cannot be loaded: {error}",
            hint="Reinstall or upgrade the package that provides it.",
        ) from error
