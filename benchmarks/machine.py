"""What a measurement was taken on: without it a number says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import numpy as np

_MERGEKIT = "from importlib.metadata import version; print(version('mergekit'), 'with torch', version('torch'))"


def describe_machine(mergekit: Path | None = None) -> dict[str, str]:
    """Hardware and versions, by name, to be printed in this order; ``mergekit`` is its program."""
    compared = {"mergekit": _first_output_line(mergekit.parent / "python", "-c", _MERGEKIT)} if mergekit else {}
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "git": _first_output_line("git", "--version"),
        "git-lfs": _first_output_line("git", "lfs", "version"),
        "openssl": _first_output_line("openssl", "version"),
        **compared,
    }


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _first_output_line(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
