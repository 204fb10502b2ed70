"""Which plug-ins the files of a repository need, and are not here: what a clone has to install."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import PluginError, UsageError
from git_theta.formats.base import FORMATS
from git_theta.known_plugins import BUILT_IN
from git_theta.manifest.model import Manifest
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.policies.policy import CONFLICT
from git_theta.operations.keeping.file_states import TrackedFile
from git_theta.parameters.required_plugins import load_required, required_plugins
from git_theta.plugin_guard import PluginId
from git_theta.repository.merging.policy_sources import MergeOptions, policy_for_files


class PluginNeed(NamedTuple):
    """A plug-in that is needed and cannot be used.

    Attributes:
        by: the files, or the source of the policy, that need it.
        problem, hint: what is wrong with it, and the way out.
        is_vital: whether files cannot be read without it; else what is new is kept whole, or is a conflict.
    """

    by: tuple[str, ...]
    problem: str
    hint: str
    is_vital: bool


def find_needs(files: Sequence[TrackedFile], top: Path) -> list[PluginNeed]:
    """What these files of the index need and is not here, those first without which they cannot be read."""
    return [
        *_find_file_needs(files, _list_decoders, is_vital=True),
        *_find_file_needs(files, _list_formats, is_vital=False),
        *_find_policy_needs(files, top),
    ]


def find_lacking_plugins(manifest: Manifest) -> list[PluginId]:
    """The plug-ins without which a file cannot be read, and that are not here or do not load."""
    return [plugin for plugin in _list_decoders(manifest) if _describe_fault(plugin)]


def _find_file_needs(
    files: Iterable[TrackedFile], list_plugins: Callable[[Manifest], list[PluginId]], *, is_vital: bool
) -> Iterator[PluginNeed]:
    """Of the plug-ins that manifests name, those that cannot be used."""
    by_plugin: dict[PluginId, list[str]] = {}
    for file in files:
        for plugin in list_plugins(file.manifest) if file.manifest else ():
            by_plugin.setdefault(plugin, []).append(file.path)
    for plugin, paths in by_plugin.items():
        if fault := _describe_fault(plugin):
            yield PluginNeed(tuple(paths), fault.message, fault.hint, is_vital)


def _list_decoders(manifest: Manifest) -> list[PluginId]:
    return required_plugins(manifest.parts())


def _list_formats(manifest: Manifest) -> list[PluginId]:
    """A file comes back without its format; what changes in it is kept whole."""
    return [] if manifest.format in BUILT_IN["formats"] else [PluginId("formats", manifest.format)]


def _find_policy_needs(files: Sequence[TrackedFile], top: Path) -> Iterator[PluginNeed]:
    """Those that the policies in force name."""
    try:
        rules = policy_for_files([file.path for file in files], top, MergeOptions()).rules
    except UsageError as error:  # the policy cannot be read: who merges is told
        yield PluginNeed((), str(error), error.hint, is_vital=False)
        return
    by_name: dict[str, dict[str, None]] = {}
    for rule in rules:
        by_name.setdefault(rule.choice.strategy, {})[rule.choice.origin] = None
    for name, origins in by_name.items():
        try:
            if name != CONFLICT:
                load_strategy(name)
        except (UsageError, PluginError) as error:
            yield PluginNeed(tuple(origins), error.message, error.hint, is_vital=False)


def _describe_fault(plugin: PluginId) -> PluginError | None:
    """Why a plug-in cannot be used; None where it can."""
    try:
        if plugin.family == "formats":
            FORMATS.load_plugin(plugin.name)
        else:
            load_required(plugin)
    except PluginError as error:
        return error
    return None
