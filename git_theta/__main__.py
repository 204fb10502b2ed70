"""``python -m git_theta`` is ``git theta``: hooks and filters name an interpreter, and need no script on the PATH."""

from git_theta.cli.main import run_program

if __name__ == "__main__":
    run_program()
