"""Plug-in families: implementations by name, loaded when first asked for, and called behind a guard.

A plug-in is an installed package with an entry point in one of the groups ``git_theta.plugins.FAMILY``; ours are
declared in pyproject.toml the same way. Scanning the installed packages costs more than a whole `git status` may, so
the names that ship with us are repeated in ``BUILT_IN`` (a test holds the two together) and found without a scan.

A room declares its family beside its seam: ``FORMATS = Family("formats", make_instance(Format))``. Plug-ins are other
people's code inside our process: every call of one, ours included, stands in its family's ``guard``, which turns what
it may do wrong into a PluginError that names the plug-in and its package.

Nothing in a repository can choose a plug-in: names in manifests only select among what the user has installed (L10).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar, Token
from functools import cache
from importlib import import_module
from types import TracebackType
from typing import Final, Generic, Literal, NamedTuple, TypeVar

from git_theta.errors import PluginError, ThetaError

T = TypeVar("T")
R = TypeVar("R")

PluginFamily = Literal["formats", "updates", "serializers", "stores", "merges"]

_KINDS: dict[PluginFamily, str] = {
    "formats": "format",
    "updates": "update",
    "serializers": "serializer",
    "stores": "store",
    "merges": "strategy",
}
"""What one plug-in of a family is called."""

BUILT_IN: dict[PluginFamily, dict[str, str]] = {
    "formats": {
        "safetensors": "git_theta.formats.safetensors.safetensors_format:SafetensorsFormat",
        "torch": "git_theta.formats.torch.torch_format:TorchZipFormat",
        "pickle": "git_theta.formats.pickle.pickle_format:PickleFormat",
        "opaque": "git_theta.formats.opaque:OpaqueFormat",
    },
    "updates": {
        "dense": "git_theta.updates.dense:DenseUpdate",
        "low-rank": "git_theta.updates.low_rank.low_rank_update:LowRankUpdate",
        "delta": "git_theta.updates.delta.delta_update:DeltaUpdate",
    },
    "serializers": {
        "raw": "git_theta.serializers.raw:RawSerializer",
        "planes": "git_theta.serializers.planes:PlanesSerializer",
        "frames": "git_theta.serializers.frames:FramesSerializer",
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
        "largest": "git_theta.merging.strategies.largest:LARGEST",
        "adapter-svd": "git_theta.merging.strategies.adapter_svd:ADAPTER_SVD",
        "task-arithmetic": "git_theta.merging.strategies.task_vectors:TASK_ARITHMETIC",
        "ties": "git_theta.merging.strategies.task_vectors:TIES",
        "dare": "git_theta.merging.strategies.task_vectors:DARE",
        "dare-ties": "git_theta.merging.strategies.task_vectors:DARE_TIES",
        "breadcrumbs": "git_theta.merging.strategies.task_vectors:BREADCRUMBS",
        "slerp": "git_theta.merging.strategies.slerp:SLERP",
        "model-stock": "git_theta.merging.strategies.model_stock:MODEL_STOCK",
        "lines": "git_theta.merging.strategies.layer_scaling:LINES",
        "iso-c": "git_theta.merging.strategies.matrix_transforms:ISO_C",
        "tsv-m": "git_theta.merging.strategies.matrix_transforms:TSV_M",
        "wudi": "git_theta.merging.strategies.matrix_transforms:WUDI",
        "smear": "git_theta.merging.strategies.smear:SMEAR",
    },
}


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
        target = BUILT_IN[self.name].get(name) or plugin_targets(self.name).get(name)
        if target is None:
            raise _unknown_name(self.name, name)
        if (name, target) not in self._loaded:
            self._loaded[name, target] = self._import_target(name, target)
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

    def _import_target(self, name: str, target: str) -> T:
        module, _, attribute = target.partition(":")
        plugin = PluginId(self.name, name)
        token = _RUNNING.set(plugin)
        try:
            loaded = self._adopt(getattr(import_module(module), attribute))
            own = getattr(loaded, "name", None)
            if own != name:
                raise PluginError(f"it calls itself {own!r}")
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
        return f"{_KINDS[self.family]} {self.name!r} of {' '.join(self.find_package()) or 'a package without a name'}"

    def find_package(self) -> tuple[str, ...]:
        """The name and version of the package that it came with; nothing where that cannot be told."""
        from importlib.metadata import PackageNotFoundError, entry_points, version  # only ever to phrase an error

        if self.name in BUILT_IN[self.family]:
            try:
                return "git-theta", version("git-theta")
            except PackageNotFoundError:
                return ("git-theta",)
        for point in entry_points(group=f"git_theta.plugins.{self.family}", name=self.name):
            if point.dist:
                return point.dist.name, point.dist.version
        return ()


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


def _unknown_name(family: PluginFamily, name: str) -> PluginError:
    import difflib  # only ever to phrase an error

    names = plugin_names(family)
    close = difflib.get_close_matches(name, names, n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    return PluginError(
        f"no {_KINDS[family]} is called {name!r}",
        hint=f"{guess}Installed: {', '.join(names)}. A plug-in package may be missing here.",
    )


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
