"""Every plug-in of ``plugins/`` passes its own tests, installed beside this Git-Theta as pip would install it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(file.parent for file in ROOT.glob("plugins/*/pyproject.toml"))


def describe(plugin: Path, site: Path) -> None:
    """Write what an installer leaves beside a package: its name, and its entry points."""
    project = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]
    folder = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {target}" for name, target in points.items())])
        for group, points in project.get("entry-points", {}).items()
    ]
    (folder / "entry_points.txt").write_text("\n".join(groups) + "\n")


def list_required(plugin: Path) -> list[Path]:
    """The folders of a package of ours, and of those that it requires."""
    project = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]
    required = [one for one in PLUGINS for wanted in project["dependencies"] if wanted.startswith(f"{one.name}>=")]
    return [plugin, *(folder for one in required for folder in list_required(one))]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_its_own_tests_pass(plugin: Path, tmp_path: Path) -> None:
    folders = list_required(plugin)
    for folder in folders:
        describe(folder, tmp_path / "site")
    path = os.pathsep.join(map(str, (tmp_path / "site", *folders, ROOT)))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", ROOT / "setup.cfg", plugin / "tests"],
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_plugins() -> None:
    assert PLUGINS
