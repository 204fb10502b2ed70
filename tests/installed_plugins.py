"""Interpreters that have git-theta and a package with plug-ins, as pip would have installed it."""

from __future__ import annotations

import shutil
import sys
import venv
from pathlib import Path

import git_theta

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
    venv.create(folder / "venv", symlinks=True)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    known = [path for path in sys.path if path.endswith("site-packages")]
    (site / "everything.pth").write_text("\n".join([str(ROOT), *known]) + "\n")
    shutil.copy(source, site / f"{package}.py")
    about = site / f"{package}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package.replace('_', '-')}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entry_points)
    script = folder / "venv/bin/git-theta"
    script.write_text(
        f"#!{folder}/venv/bin/python\nimport sys\nfrom git_theta.cli.main import main\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    return folder / "venv/bin/python"
