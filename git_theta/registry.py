"""Plug-in families: implementations by name, loaded when first asked for, and called behind a guard.

A plug-in is an installed package with an entry point in one of the groups ``git_theta.plugins.FAMILY``; ours are
declared in pyproject.toml the same way. So that nobody waits for a scan of the installed packages, the names that ship
with us are repeated in ``known_plugins`` (a test holds the two together); ``registered_names`` tells all of them.

A room declares its family beside its seam: ``FORMATS = Family("formats", make_instance(Format))``. Plug-ins are other
people's code inside our process: every call of one, ours included, stands in its family's ``guard`` (``plugin_guard``).

Nothing in a repository can choose a plug-in: names in manifests only select among what the user has installed, and has
not disabled in Git's configuration (L10).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Final, Generic, TypeVar

from git_theta.errors import NewerPlugin, PluginError
from git_theta.known_plugins import PluginFamily
from git_theta.plugin_guard import Guard, PluginId, describe_defect, run_as, spell_error
from git_theta.registered_names import find_target, plugin_names

T = TypeVar("T")
R = TypeVar("R")

API = 1
"""The version of the seams. A plug-in that says ``api = 2`` is written for a later release, and is not called."""


class Family(Generic[T]):
    """A family of plug-ins, and what a name in it stands for.

    Args:
        name: the family's, as entry points spell it.
        adopt: makes what the family's users call of what an entry point names. Raises PluginError where it is no such
            thing (``make_instance``, ``require_subclass``).
    """

    def __init__(self, name: PluginFamily, adopt: Callable[[object], T]) -> None:
        self.name: Final = name
        self._adopt = adopt
        self._loaded: dict[tuple[str, str], T] = {}

    def list_names(self) -> list[str]:
        """Every name: ours in the order they are tried, then plug-ins sorted."""
        return plugin_names(self.name)

    def load_plugin(self, name: str) -> T:
        """What is registered as ``name``.

        Raises PluginError naming what is there, when it is not, or will not import, or is not of this family.
        """
        target = find_target(self.name, name)
        if (name, target) not in self._loaded:
            self._loaded[name, target] = self.import_target(name, target)
        return self._loaded[name, target]

    def guard(self, name: str) -> Guard:
        """A ``with`` block in which the plug-in ``name`` runs."""
        return Guard(PluginId(self.name, name))

    def guard_iterator(self, name: str, items: Iterable[R]) -> Iterator[R]:
        """What the plug-in yields, guarded at each step. Raises as the guard does, also where it cannot be iterated."""
        guard = self.guard(name)
        with guard:
            iterator = iter(items)
        while True:
            with guard:
                item = next(iterator, _END)
            if isinstance(item, _End):
                return
            yield item

    def reject_answer(self, name: str, problem: str) -> PluginError:
        """The error for a plug-in that answered with nonsense: ``problem`` says what it did."""
        return describe_defect(PluginId(self.name, name), problem)

    def import_target(self, name: str, target: str) -> T:
        """What a package calls by a name, whoever else claims it. Raises PluginError as ``load_plugin`` does."""
        module, _, attribute = target.partition(":")
        plugin = PluginId(self.name, name)
        try:
            with run_as(plugin):
                found = getattr(import_module(module), attribute)
                _require_api(plugin, found)
                loaded = self._adopt(found)
                own = getattr(loaded, "name", None)
            if own != name:
                raise PluginError(f"it calls itself {own!r}")
        except NewerPlugin:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"the {plugin.spell()} ({target}) cannot be loaded: {spell_error(error)}",
                hint="Reinstall or upgrade the package that provides it.",
            ) from error
        return loaded


def make_instance(seam: type[T]) -> Callable[[object], T]:
    """``Family.adopt`` where an entry point names a class of the seam that takes no arguments, or an instance."""

    def adopt(found: object) -> T:
        made = found() if isinstance(found, type) and issubclass(found, seam) else found
        if not isinstance(made, seam):
            raise PluginError(f"it is no {seam.__name__} but {found!r}")
        return made

    return adopt


def require_subclass(seam: type[T], opener: str = "") -> Callable[[object], type[T]]:
    """``Family.adopt`` where an entry point names a class of the seam whose users make its instances.

    ``opener``: the class method that makes them, which the seam leaves to whoever is made so.
    """

    def adopt(found: object) -> type[T]:
        if not isinstance(found, type) or not issubclass(found, seam):
            raise PluginError(f"it is no class of {seam.__name__} but {found!r}")
        lacking: set[str] = set(getattr(found, "__abstractmethods__", ()))
        if opener and getattr(found, opener).__func__ is getattr(seam, opener).__func__:
            lacking.add(opener)
        if lacking:
            raise PluginError(f"{found.__name__} does not define {', '.join(sorted(lacking))} of {seam.__name__}")
        return found

    return adopt


class _End:
    """What no plug-in yields."""


_END = _End()


def _require_api(plugin: PluginId, found: object) -> None:
    """Raise NewerPlugin for what is written for seams of a later release."""
    api = getattr(found, "api", API)
    if not isinstance(api, int) or api < 1:
        raise PluginError(f"its api is {api!r}, and no version of our seams")
    if api > API:
        raise NewerPlugin(
            f"the {plugin.spell()} is written for version {api} of the seams, and this git-theta has {API}",
            hint=f"Upgrade git-theta: {sys.executable} -m pip install --upgrade git-theta",
        )
