"""Every test runs sealed: nothing that this machine's user, system or shell configures reaches git."""

from __future__ import annotations

import gc
import itertools
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests import chained_versions, templates
from tests.command_server import GENUINE, LAUNCHERS, fork_programs_of, make_launcher
from tests.effort import choose_tries
from tests.memory_folder import SHARED_MEMORY, choose_memory
from tests.sandbox import ONE_THREAD, Sandbox, fill_home, is_new_home, name_home, seal_environment


def pytest_configure() -> None:
    os.environ.update(ONE_THREAD)  # before torch is imported
    choose_memory()
    gc.disable()  # what is collected stays, and looking through it takes a sixth of the time


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def sealed_session(tmp_path_factory: pytest.TempPathFactory, git_template: Path) -> Iterator[None]:
    """Seals all tests; and what wider fixtures do, which no test's home is for, into a home of their own."""
    with pytest.MonkeyPatch.context() as patch:
        seal_environment(patch, tmp_path_factory.mktemp("session") / "home")
        patch.setenv("GIT_TEMPLATE_DIR", os.fspath(git_template))
        patch.setenv(templates.FOLDER, os.fspath(_shared(tmp_path_factory.getbasetemp()) / "templates"))
        Path(os.environ[templates.FOLDER]).mkdir(exist_ok=True)
        patch.setenv(LAUNCHERS, os.fspath(_shared(tmp_path_factory.getbasetemp()) / "launchers"))
        make_launcher()
        patch.setenv(GENUINE, "1")  # of what lives longer than a test, each test makes what it likes
        yield


def _shared(folder: Path) -> Path:
    """The temporary folder of the whole test run, given that of this process: pytest-xdist has one per worker."""
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def name_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Names new folders. ``mktemp`` looks through all folders that thousands of tests before have made."""
    base, numbers = tmp_path_factory.getbasetemp(), itertools.count()
    return lambda name: base / f"{name}_{next(numbers)}"


_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, name_folder: Callable[[str], Path]) -> Iterator[Path]:
    """This test's own folder, as pytest makes it but for the looking. Where the test fails, it stays to be looked at.

    What is deleted at once is never written to a disk: thousands of repositories that are left to the end of a later
    run take minutes to delete.
    """
    folder = name_folder(re.sub(r"\W", "_", request.node.name)[:30])
    folder.mkdir(mode=0o700)
    yield folder
    if not request.node.stash.get(_FAILED, False):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def other_file_system(tmp_path: Path) -> Iterator[Path]:
    """A new folder on another file system than the test's own."""
    for place in (SHARED_MEMORY, Path(tempfile.gettempdir())):
        if place.is_dir() and place.stat().st_dev != tmp_path.stat().st_dev:
            with tempfile.TemporaryDirectory(dir=place) as folder:
                yield Path(folder)
            return
    pytest.skip("there is only one file system here")


@pytest.fixture(scope="session")
def git_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `git init` and `git clone` start with: Git's own has 13 samples of hooks that every copy would copy."""
    template = tmp_path_factory.mktemp("template")
    for folder in ("hooks", "info"):
        (template / folder).mkdir()
    return template


_FORKED = ("api", "cli", "docs", "faults", "formats", "integration", "repository", "transport")
"""Folders whose tests are about what filters and drivers do, and not about how they are started."""


def _may_fork(request: pytest.FixtureRequest) -> bool:
    """Whether filters and drivers of the repositories of this test may be forked; in long tests none is."""
    folder = request.node.nodeid.split("/")[1]
    marked = request.node.get_closest_marker
    genuine = marked("genuine") or choose_tries(few=0, many=1)
    return not genuine and bool(marked("forked") or folder in _FORKED)


@pytest.fixture(scope="session")
def earlier_homes() -> list[Path]:
    """Homes of tests that have ended. Most leave nothing there, and a new one takes longer to make than they do."""
    return []


@pytest.fixture(autouse=True)
def home(
    request: pytest.FixtureRequest,
    sealed_session: None,
    monkeypatch: pytest.MonkeyPatch,
    name_folder: Callable[[str], Path],
    earlier_homes: list[Path],
) -> Iterator[Path]:
    """This test's own home, so that one test's ``git config --global`` is unknown to the next."""
    as_new = earlier_homes and is_new_home(earlier_homes[-1])
    home = earlier_homes.pop() if as_new else fill_home(name_folder("home"))
    for name, value in name_home(home).items():
        monkeypatch.setenv(name, value)
    if _may_fork(request):
        monkeypatch.delenv(GENUINE)
    yield home
    earlier_homes.append(home)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C reaches what this test starts. A shell starts `make test &` deaf to it, and children inherit that."""
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, inherited)


@pytest.fixture
def sandbox(tmp_path: Path, home: Path) -> Sandbox:
    """An empty repository with git-theta installed in it (``--local``)."""
    return Sandbox.create(tmp_path / "repository")


@pytest.fixture(scope="session")
def chaining_interpreter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter whose git-theta has updates that build on bases; see ``tests.chained_versions``."""
    python = chained_versions.make_chaining_interpreter(tmp_path_factory.mktemp("installed"))
    fork_programs_of(python)
    return python


@pytest.fixture
def chaining(chaining_interpreter: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sandbox:
    """A repository whose Git stores versions relative to each other, as other repositories of the user do."""
    monkeypatch.setenv("PATH", os.pathsep.join([os.fspath(chaining_interpreter.parent), os.environ["PATH"]]))
    return chained_versions.create_chaining(tmp_path / "repository")
