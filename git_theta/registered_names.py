"""The names of plug-ins: ours and those that installed packages declare, without what the person has disabled."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from git_theta.entry_points import DeclaredPlugin, scan_packages
from git_theta.errors import PluginError
from git_theta.known_plugins import BUILT_IN, KINDS, KNOWN_PACKAGES, PluginFamily

DISABLE_KEY = "theta.plugins.disable"
"""Git's configuration of plug-ins of other packages that are not to be used: NAME or FAMILY:NAME, any number."""


def plugin_names(family: PluginFamily) -> list[str]:
    """Every name of a family: ours in the order they are tried, then plug-ins sorted."""
    return [*BUILT_IN[family], *sorted(_claims_of(family).keys() - BUILT_IN[family].keys())]


def find_target(family: PluginFamily, name: str) -> str:
    """The ``module:attribute`` that a name stands for: ours, whoever else claims it.

    Raises PluginError where nothing does, and where two packages claim it.
    """
    if target := BUILT_IN[family].get(name):
        return target
    claims = _claims_of(family).get(name, [])
    if not claims:
        raise _unknown_name(family, name)
    if len({one.target for one in claims}) > 1:
        raise describe_ambiguity(claims)
    return claims[0].target


def describe_ambiguity(claims: Sequence[DeclaredPlugin]) -> PluginError:
    """The error for a name that several packages claim."""
    family, name = claims[0].family, claims[0].name
    packages = " and ".join(f"{one.package} {one.version} ({one.target})" for one in claims)
    return PluginError(
        f"two {family} are called {name!r}: of {packages}",
        hint=f"Uninstall one of the packages. To do without both: git config --add {DISABLE_KEY} {family}:{name}",
    )


def _claims_of(family: PluginFamily) -> dict[str, list[DeclaredPlugin]]:
    """What other packages call by each name, and is not disabled."""
    found: dict[str, list[DeclaredPlugin]] = {}
    for one in declared_plugins():
        if one.family == family and not is_built_in(one) and not is_disabled(one):
            found.setdefault(one.name, []).append(one)
    return found


@cache
def declared_plugins() -> tuple[DeclaredPlugin, ...]:
    """What the installed packages declare, ours among them: read once, when the first name is looked for that is not
    among ours.
    """
    return scan_packages(sys.path)


def is_declared(family: PluginFamily, name: str) -> bool:
    """Whether an installed package brings it, disabled or not."""
    return any((one.family, one.name) == (family, name) for one in declared_plugins())


def is_built_in(plugin: DeclaredPlugin) -> bool:
    """Whether it ships with us."""
    return BUILT_IN.get(plugin.family, {}).get(plugin.name) == plugin.target  # type: ignore[call-overload, no-any-return]


def is_disabled(plugin: DeclaredPlugin) -> bool:
    """Whether the person does not want it. What ships with us stays: files are stored with it."""
    words = {plugin.name, f"{plugin.family}:{plugin.name}"}
    return not is_built_in(plugin) and not words.isdisjoint(_read_disabled())


def use_disabled(read: Callable[[], Iterable[str]]) -> None:
    """Say how to read what is disabled (DISABLE_KEY): asked once, when a plug-in of another package is looked for."""
    global _read_disabled
    _read_disabled = cache(lambda: frozenset(read()))


def _unknown_name(family: PluginFamily, name: str) -> PluginError:
    kind = KINDS[family]
    for one in declared_plugins():
        if (one.family, one.name) == (family, name):  # there, and not among the names
            return PluginError(
                f"the {kind} {name!r} of {one.package} {one.version} is disabled by {DISABLE_KEY}",
                hint=f"To have it back, take it out there: git config --show-origin --get-all {DISABLE_KEY}",
            )
    return PluginError(f"no {kind} is called {name!r} here", hint=describe_way_out(family, name))


def describe_way_out(family: PluginFamily, name: str) -> str:
    """What to do where something asks for a plug-in that is not here: its package, where we know it; what there is."""
    import difflib  # only ever to phrase an error

    names = plugin_names(family)
    installed = f"Installed: {', '.join(names)}."
    if package := KNOWN_PACKAGES.get(family, {}).get(name):
        return f"It comes with {package}: {sys.executable} -m pip install {package}\n{installed}"
    close = difflib.get_close_matches(name, names, n=1)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    ask = "If a plug-in brings it, `git theta plugins` names its package on a machine that has it"
    return f"{guess}{installed} {ask}: install that here, with {sys.executable} -m pip install PACKAGE"


def _disable_nothing() -> frozenset[str]:
    """No configuration to read."""
    return frozenset()


_read_disabled: Callable[[], frozenset[str]] = _disable_nothing
