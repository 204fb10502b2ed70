"""The guard behind which plug-ins run: what one does wrong becomes an error that names it and its package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import NamedTuple

from git_theta.errors import PluginError, ThetaError
from git_theta.known_plugins import BUILT_IN, KINDS, PluginFamily
from git_theta.registered_names import declared_plugins


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
        raise describe_defect(self._plugin, f"failed: {spell_error(error)}") from error


@contextmanager
def run_as(plugin: PluginId) -> Iterator[None]:
    """A ``with`` block in which a plug-in runs whose errors are looked at elsewhere."""
    token = _RUNNING.set(plugin)
    try:
        yield
    finally:
        _RUNNING.reset(token)


def running_plugin() -> PluginId | None:
    """The plug-in that runs in this thread right now: what is printed comes from it."""
    return _RUNNING.get()


_RUNNING: ContextVar[PluginId | None] = ContextVar("running plug-in", default=None)


def _is_raised_by_us(trace: TracebackType | None) -> bool:
    """Whether the innermost function of a traceback that is not the standard library's is one of this package."""
    package = ""
    while trace:
        found = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        package = package if found in sys.stdlib_module_names else found
        trace = trace.tb_next
    return package == "git_theta"


def spell_error(error: BaseException) -> str:
    """What a plug-in raised, in one line."""
    if isinstance(error, ThetaError):
        return error.message
    if isinstance(error, SystemExit):
        return f"it tried to end the process (sys.exit({error.code!r}))"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def describe_defect(plugin: PluginId, problem: str) -> PluginError:
    """The error for a plug-in that does what none may: ``problem`` says what."""
    package = plugin.find_package()[:1] or ("its package",)
    if package == ("git-theta",):
        hint = "This is a defect of git-theta: please report it, with what `git theta env` says."
    else:
        upgrade = f"{sys.executable} -m pip install --upgrade {package[0]}"
        hint = f"Upgrade {package[0]} ({upgrade}) or uninstall it, and tell its authors."
    return PluginError(f"the {plugin.spell()} {problem}", hint=hint)
