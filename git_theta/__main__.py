"""``python -m git_theta`` is ``git theta``: hooks and filters name an interpreter, and need no script on the PATH."""

import sys

from git_theta.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
