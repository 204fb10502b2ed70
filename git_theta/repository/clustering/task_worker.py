"""What a worker of a cluster does: whoever has it called, of whatever version, is told what is in the way.

The scheduler hands it bytes alone. It refuses to work for another release, without the plug-ins that are there, and
without the store: it would compute something else, or nothing, or put it where nobody looks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from git_theta.errors import MissingObject, PluginError, StoreError, ThetaError
from git_theta.registered_names import declared_plugins, is_disabled
from git_theta.repository.clustering.task_answer import CountedProgress, TaskAnswer
from git_theta.repository.clustering.travel_codec import TravelCodec
from git_theta.repository.stores.object_stores import open_store_at
from git_theta.store.base import Store
from git_theta.store.scratch_store import ScratchStore

_FAMILIES = ("updates", "serializers", "stores", "merges", "measures")
"""Families whose plug-ins tasks may call."""


class ClusterTerms(NamedTuple):
    """What a worker must have, in a session of one command.

    Attributes:
        packages: names and versions of what brings plug-ins, git-theta among them.
        theta: the theta directory of the repository.
        store: the name of its store.
        borrowed: object directories of Git that it borrows from.
        witness: an object that was put there just now.
        scratch: the folder of a store that borrows from it, for what is tried out; "" for none.
    """

    packages: Mapping[str, str]
    theta: str
    store: str
    borrowed: tuple[str, ...]
    witness: str
    scratch: str = ""

    def encode(self) -> str:
        """As text, which a worker of any release can read."""
        return json.dumps(self._asdict())


def list_packages() -> dict[str, str]:
    """Names and versions of the packages here whose plug-ins tasks may call."""
    return {one.package: one.version for one in declared_plugins() if one.family in _FAMILIES and not is_disabled(one)}


def describe_refusal(terms: str) -> str:
    """Why the worker that runs this does not work on these terms; "" where it does."""
    try:
        enter_store(terms)
    except ThetaError as error:
        return error.message
    return ""


def run_tasks(terms: str, function: bytes, items: bytes) -> bytes:
    """Call a function on each of some items: an encoded ``TaskAnswer``. What it names is durable."""
    from distributed import get_worker

    results: list[Any] = []
    error: ThetaError | None = None
    codec, progress, start = TravelCodec({}), CountedProgress(), time.monotonic()
    try:
        store = enter_store(terms)
        codec = TravelCodec({"store": store, "progress": progress})
        results, error = _call_each(codec.decode(function), codec.decode(items))
        store.sync()
    except ThetaError as found:  # nothing is told that may not be durable
        results, error = [], found
    except Exception as found:  # dask waits for ever where a traceback cannot travel
        results, error = [], ThetaError(f"{type(found).__name__}: {found}", hint="Look into the worker's log.")
    seconds = time.monotonic() - start
    return codec.encode(TaskAnswer(get_worker().address, results, error, progress.done, progress.begun, seconds))


def _call_each(function: Callable[[Any], Any], items: Iterable[Any]) -> tuple[list[Any], ThetaError | None]:
    """The results, up to the first that fails, and why that does."""
    results: list[Any] = []
    try:
        results.extend(map(function, items))
    except ThetaError as error:
        return results, error
    except OSError as error:
        return results, StoreError(f"{error.strerror}: {error.filename}")
    return results, None


@lru_cache(4)
def enter_store(text: str) -> Store:
    """The store that tasks on these terms read and write.

    Where the worker does not meet them raises PluginError for its packages, and StoreError for the store: neither says
    anything of the task.
    """
    terms = ClusterTerms(**json.loads(text))
    here = list_packages()
    for package, version in sorted(terms.packages.items()):
        if here.get(package) != version:
            has = f"{package} {here[package]}" if package in here else f"no {package}"
            raise PluginError(f"it has {has}, and this machine has {version}")
    store = open_store_at(Path(terms.theta), terms.store, map(Path, terms.borrowed))
    try:
        store.get(terms.witness).close()
    except (MissingObject, StoreError):
        raise StoreError(f"it does not reach the store in {terms.theta}") from None
    return _enter_scratch(Path(terms.scratch), store) if terms.scratch else store


def _enter_scratch(folder: Path, lender: Store) -> Store:
    """The store of a folder that somebody has made: its name is drawn, so that there is no other one of that name."""
    if not folder.is_dir():
        raise StoreError(f"it does not reach the folder {folder}, in which things are tried out")
    return ScratchStore(folder, lender)
