"""A program of ours that finds packages of a folder, too: ``with_packages.py FOLDER PROGRAM [ARGS]``.

For filters and drivers with plug-ins where an interpreter of the test's own, which has them installed, is too much.
"""

from __future__ import annotations

import runpy
import sys


def main() -> int:
    """Be the program, unless it ends the process by itself."""
    folder, program, *words = sys.argv[1:]
    sys.path.insert(0, folder)
    sys.argv[:] = [program, *words]
    runpy.run_module(program, run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
