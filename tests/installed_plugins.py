"""Interpreters that have git-theta and a package with plug-ins, as pip would have installed it."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import venv
from functools import cache
from pathlib import Path

import pytest

import git_theta
from tests.command_server import GENUINE, LAUNCHERS, fork_programs_of
from tests.effort import choose_tries
from tests.sandbox import Sandbox, seal_environment, track_and_commit

ROOT = Path(git_theta.__file__).parents[1]


def make_interpreter(folder: Path, package: str, source: str | None, entry_points: str) -> Path:
    """An interpreter with a package that has one module, and beside it the ``git-theta`` that runs with it.

    Args:
        folder: where to make it.
        package: the package's name, and its module's.
        source: the file of the module.
        entry_points: what it declares, as ``entry_points.txt`` has it.
    """
    assert source
    python = mirror_interpreter(folder)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    shutil.copy(source, site / f"{package}.py")
    about = site / f"{package}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package.replace('_', '-')}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entry_points)
    return python


def mirror_interpreter(folder: Path) -> Path:
    """An interpreter in ``folder`` that has what this one has, of ``PYTHONPATH`` too, even where it runs isolated."""
    venv.create(folder / "venv", symlinks=True)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    named = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    known = [path for path in sys.path if path.endswith("site-packages")]
    (site / "everything.pth").write_text("\n".join([*named, str(ROOT), *known]) + "\n")
    script = folder / "venv/bin/git-theta"
    script.write_text(
        f"#!{folder}/venv/bin/python\nimport sys\nfrom git_theta.cli.main import main\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    return folder / "venv/bin/python"


def create_plugin_sandbox(folder: Path, patch: pytest.MonkeyPatch, *patterns: str) -> Sandbox:
    """A sealed repository that tracks ``patterns``, whose Git has the plug-ins that are installed here.

    What is installed in it is forked, as ``tests.command_server`` says. A test that kills a group of processes has it
    installed again by Git, which starts everything as for anybody.
    """
    seal_environment(patch, folder / "home")
    place = _mirror_once()
    patch.setenv(LAUNCHERS, os.fspath(place / "launchers"))
    if not choose_tries(few=0, many=1):
        patch.delenv(GENUINE, raising=False)
    python = place / "venv/bin/python"
    fork_programs_of(python)
    patch.setenv("PATH", os.pathsep.join([os.fspath(python.parent), os.environ["PATH"]]))
    sandbox = Sandbox.create(folder / "repository", install=False)
    sandbox.theta("install", "--global")
    return track_and_commit(sandbox, {}, *patterns)


@cache
def _mirror_once() -> Path:
    """The folder of an interpreter for all tests of this process."""
    folder = Path(tempfile.mkdtemp(prefix="theta-plugins-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    mirror_interpreter(folder)
    return folder
