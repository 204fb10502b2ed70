"""Interpreters that have git-theta and a package with plug-ins, as pip would have installed it."""

from __future__ import annotations

import os
import shutil
import sys
import venv
from pathlib import Path

import pytest

import git_theta
from tests.sandbox import Sandbox, seal_environment

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
    """A sealed repository that tracks ``patterns``, whose Git has the plug-ins that are installed here."""
    seal_environment(patch, folder / "home")
    python = mirror_interpreter(folder)
    patch.setenv("PATH", os.pathsep.join([os.fspath(python.parent), os.environ["PATH"]]))
    sandbox = Sandbox.create(folder / "repository", install=False)
    sandbox.theta("install", "--global")
    sandbox.theta("track", *patterns)
    sandbox.commit("track")
    return sandbox
