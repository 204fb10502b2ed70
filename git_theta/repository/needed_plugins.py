"""Which plug-ins the files of a repository need, and are not here: what a clone has to install."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import PluginError, UsageError
from git_theta.formats.base import FORMATS
from git_theta.known_plugins import BUILT_IN
from git_theta.manifest.model import Manifest
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.policy import CONFLICT
from git_theta.operations.keeping.file_states import TrackedFile
from git_theta.parameters import load_required, required_plugins
from git_theta.registry import PluginId
from git_theta.repository.policy_sources import MergeOptions, policy_for_files


class PluginNeed(NamedTuple):
    """A plug-in that is needed and cannot be used.

    Attributes:
        plugin: which.
        by: the files, or the source of the policy, that need it.
        problem, hint: what is wrong with it, and the way out.
        is_vital: whether files cannot be read without it; else what is new is kept whole, or is a conflict.
    """

    plugin: PluginId
    by: tuple[str, ...]
    problem: str
    hint: str
    is_vital: bool


def find_needs(files: Sequence[TrackedFile], top: Path) -> list[PluginNeed]:
    """What these files of the index need and is not here, those first without which they cannot be read."""
    return [*_decoders(files), *_formats(files), *_strategies(files, top)]


def find_lacking(manifest: Manifest) -> list[PluginId]:
    """The plug-ins without which a file cannot be read, and that are not here or do not load."""
    return [plugin for plugin in required_plugins(manifest.parts()) if _describe_fault(plugin)]


def _decoders(files: Iterable[TrackedFile]) -> Iterator[PluginNeed]:
    by_plugin: dict[PluginId, list[str]] = {}
    for file in files:
        for plugin in required_plugins(file.manifest.parts()) if file.manifest else ():
            by_plugin.setdefault(plugin, []).append(file.path)
    for plugin, paths in by_plugin.items():
        if fault := _describe_fault(plugin):
            yield PluginNeed(plugin, tuple(paths), fault.message, fault.hint, is_vital=True)


def _formats(files: Iterable[TrackedFile]) -> Iterator[PluginNeed]:
    """Files come back without their format; what changes in them is kept whole."""
    by_name: dict[str, list[str]] = {}
    for file in files:
        if file.manifest and file.manifest.format not in BUILT_IN["formats"]:
            by_name.setdefault(file.manifest.format, []).append(file.path)
    for name, paths in by_name.items():
        if fault := _describe_fault(PluginId("formats", name)):
            yield PluginNeed(PluginId("formats", name), tuple(paths), fault.message, fault.hint, is_vital=False)


def _strategies(files: Sequence[TrackedFile], top: Path) -> Iterator[PluginNeed]:
    """Those that the policies in force name."""
    try:
        rules = policy_for_files([file.path for file in files], top, MergeOptions()).rules
    except UsageError as error:  # the policy cannot be read: who merges is told
        yield PluginNeed(PluginId("merges", ""), (), str(error), error.hint, is_vital=False)
        return
    by_name: dict[str, dict[str, None]] = {}
    for rule in rules:
        by_name.setdefault(rule.choice.strategy, {})[rule.choice.origin] = None
    for name, origins in by_name.items():
        try:
            if name != CONFLICT:
                load_strategy(name)
        except (UsageError, PluginError) as error:
            yield PluginNeed(PluginId("merges", name), tuple(origins), error.message, error.hint, is_vital=False)


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
