"""Plug-in families: implementations by name, loaded when first asked for, and called behind a guard.

A plug-in is an installed package with an entry point in one of the groups ``git_theta.plugins.FAMILY``; ours are
declared in pyproject.toml the same way. So that nobody waits for a scan of the installed packages, the names that ship
with us are repeated in ``known_plugins`` (a test holds the two together).

A room declares its family beside its seam: ``FORMATS = Family("formats", make_instance(Format))``. Plug-ins are other
people's code inside our process: every call of one, ours included, stands in its family's ``guard``, which turns what
it may do wrong into a PluginError that names the plug-in and its package.

Nothing in a repository can choose a plug-in: names in manifests only select among what the user has installed, and has
not disabled in Git's configuration (L10).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar, Token
from functools import cache
from importlib import import_module
from types import TracebackType
from typing import Final, Generic, NamedTuple, TypeVar

from git_theta.entry_points import DeclaredPlugin, scan_packages
from git_theta.errors import NewerPlugin, PluginError, ThetaError
from git_theta.known_plugins import BUILT_IN, KINDS, KNOWN_PACKAGES, PluginFamily

T = TypeVar("T")
R = TypeVar("R")

API = 1
"""The version of the seams. A plug-in that says ``api = 2`` is written for a later release, and is not called."""

DISABLE_KEY = "theta.plugins.disable"
"""Git's configuration of plug-ins of other packages that are not to be used: NAME or FAMILY:NAME, any number."""


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
        return _plugin_error(PluginId(self.name, name), problem)

    def import_target(self, name: str, target: str) -> T:
        """What a package calls by a name, whoever else claims it. Raises PluginError as ``load_plugin`` does."""
        module, _, attribute = target.partition(":")
        plugin = PluginId(self.name, name)
        token = _RUNNING.set(plugin)
        try:
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
                f"the {plugin.spell()} ({target}) cannot be loaded: {_spell_error(error)}",
                hint="Reinstall or upgrade the package that provides it.",
            ) from error
        finally:
            _RUNNING.reset(token)
        return loaded


def make_instance(seam: type[T]) -> Callable[[object], T]:
    """``Family.adopt`` where an entry point names a class of the seam that takes no arguments, or an instance."""

    def adopt(found: object) -> T:
        made = found() if isinstance(found, type) and issubclass(found, seam) else found
        if not isinstance(made, seam):
            raise PluginError(f"it is no {seam.__name__} but {found!r}")
        return made

    return adopt


def require_subclass(seam: type[T]) -> Callable[[object], type[T]]:
    """``Family.adopt`` where an entry point names a class of the seam whose users make its instances."""

    def adopt(found: object) -> type[T]:
        if not isinstance(found, type) or not issubclass(found, seam):
            raise PluginError(f"it is no class of {seam.__name__} but {found!r}")
        return found

    return adopt


class PluginId(NamedTuple):
    """A plug-in: its family and its name."""

    family: PluginFamily
    name: str

    def spell(self) -> str:
        """The plug-in as people know it: its kind, name, package and version."""
        return f"{KINDS[self.family]} {self.name!r} of {' '.join(self.find_package()) or 'a package without a name'}"

    def spell_short(self) -> str:
        """The plug-in where its package is not known."""
        return f"the {KINDS[self.family]} {self.name!r}"

    def find_package(self) -> tuple[str, ...]:
        """The name and version of the package that it came with; nothing where that cannot be told."""
        ours = BUILT_IN[self.family].get(self.name)
        for one in declared_plugins():
            if (one.family, one.name) == self and one.package and one.target == (ours or one.target):
                return one.package, one.version
        return ("git-theta",) if ours else ()


class Guard:
    """Turns what goes wrong in a plug-in into a PluginError that says whose fault it is.

    Our own errors pass, as do Ctrl-C and what the operating system refuses to *our* functions that the plug-in called:
    a disk that cannot be read is nobody's defect. Everything else is the plug-in's, ``sys.exit`` too.
    """

    __slots__ = ("_plugin", "_token")

    def __init__(self, plugin: PluginId) -> None:
        self._plugin = plugin

    def __enter__(self) -> None:
        self._token: Token[PluginId | None] = _RUNNING.set(self._plugin)

    def __exit__(self, _: object, error: BaseException | None, trace: TracebackType | None) -> None:
        _RUNNING.reset(self._token)
        if error is None:  # the usual end, thousands of times a second
            return
        if not isinstance(error, (Exception, SystemExit)) or isinstance(error, ThetaError):
            return
        if isinstance(error, OSError) and _is_raised_by_us(trace):
            return
        if isinstance(error, ModuleNotFoundError) and error.name:
            package = error.name.partition(".")[0]
            raise PluginError(
                f"the {self._plugin.spell()} needs {package}, which git-theta's environment has not got",
                hint=f"Install it there: {sys.executable} -m pip install {package}",
            ) from error
        raise _plugin_error(self._plugin, f"failed: {_spell_error(error)}") from error


def running_plugin() -> PluginId | None:
    """The plug-in that runs in this thread right now, for who wonders where something printed comes from."""
    return _RUNNING.get()


class _End:
    """What no plug-in yields."""


_END = _End()
_RUNNING: ContextVar[PluginId | None] = ContextVar("running plug-in", default=None)


def _is_raised_by_us(trace: TracebackType | None) -> bool:
    """Whether the innermost function of a traceback that is not the standard library's is one of this package."""
    package = ""
    while trace:
        found = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        package = package if found in sys.stdlib_module_names else found
        trace = trace.tb_next
    return package == "git_theta"


def _spell_error(error: BaseException) -> str:
    if isinstance(error, ThetaError):
        return error.message
    if isinstance(error, SystemExit):
        return f"it tried to end the process (sys.exit({error.code!r}))"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _plugin_error(plugin: PluginId, problem: str) -> PluginError:
    package = plugin.find_package()[:1] or ("its package",)
    if package == ("git-theta",):
        hint = "This is a defect of git-theta: please report it, with what `git theta env` says."
    else:
        upgrade = f"{sys.executable} -m pip install --upgrade {package[0]}"
        hint = f"Upgrade {package[0]} ({upgrade}) or uninstall it, and tell its authors."
    return PluginError(f"the {plugin.spell()} {problem}", hint=hint)


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


def _disable_nothing() -> frozenset[str]:
    """No configuration to read."""
    return frozenset()


_read_disabled: Callable[[], frozenset[str]] = _disable_nothing
