"""Give every parser of strangers' bytes damaged ones, for a while each: ``python -m tests.fuzzing``.

python -m tests.fuzzing [--seconds 60] [--folder .fuzz] [TARGET ...]

What is tried stays in the folder, and the next run goes on from there. What breaks the contract of
``tests.fuzzing.targets`` is named at the end: copied into tests/fuzzing/found/TARGET it is a test, once it is mended.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tests.fuzzing.targets import TARGETS

_RUNS = re.compile(r"stat::number_of_executed_units: *(\d+)")
_STARTED = 300
"""Seconds that a process may take beside: to make its seeds, and to end."""


def main(arguments: Sequence[str]) -> int:
    """The exit code: 1 where something was found, or a target could not be run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of: {', '.join(TARGETS)}; all without any")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"), help="where inputs are kept")
    asked = parser.parse_args(arguments)
    unknown = set(asked.targets) - TARGETS.keys()
    if unknown:
        parser.error(f"there is no target {min(unknown)}; there are {', '.join(TARGETS)}")
    way = "guided" if find_spec("atheris") else "drawn"
    if way == "drawn":
        print("Without atheris, damage is drawn at random.")
    results = [_run_target(way, name, asked.folder / name, asked.seconds) for name in asked.targets or TARGETS]
    return 0 if all(results) else 1


def _run_target(way: str, name: str, folder: Path, seconds: int) -> bool:
    """Whether a target bore all that it was given."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", f"tests.fuzzing.{way}", name, str(folder), str(seconds)]
    began, before = time.monotonic(), set(folder.glob("found/*"))
    with (folder / "log").open("wb") as log:
        try:
            code = subprocess.run(command, stdout=log, stderr=log, timeout=seconds + _STARTED).returncode
        except subprocess.TimeoutExpired:
            code = -1
    runs = _RUNS.search((folder / "log").read_text(errors="replace"))
    new = sorted(set(folder.glob("found/*")) - before)
    print(f"{name:20} {int(runs[1]) if runs else 0:>10,} inputs in {time.monotonic() - began:.0f} s", flush=True)
    for file in new:
        print(f"  found: {file}; what it does: {folder / 'log'}")
    if code and not new:
        print(f"  ended with {code}: {folder / 'log'}")
    return not code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
