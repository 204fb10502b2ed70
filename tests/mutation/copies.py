"""A copy of the project that can be broken: with an interpreter of its own, which Git's filters use too."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "__pycache__", "*.egg-info", ".*_cache", "playground*")


class ProjectCopy:
    """The project below a folder. Packages come from the environment that runs us; ours from the copy."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        shutil.copytree(ROOT, self.root, ignore=_LEFT_OUT)
        environment = folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
        self.python = environment / "bin" / "python"
        packages = sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)})
        # All that we import from: an environment may borrow from another. Path files in those folders are not read.
        borrowed = [path for path in sys.path if Path(path).name == "site-packages"]
        # The copy first: what is borrowed may hold an installed git-theta.
        Path(packages, "copy.pth").write_text("\n".join([str(self.root), *borrowed, ""]))
        program = self.python.with_name("git-theta")  # beside the interpreter, where tests have Git look for it
        program.write_text(f"#!{self.python}\nimport sys\nfrom git_theta.cli.main import main\nsys.exit(main())\n")
        program.chmod(0o755)

    def run_tests(self, tests: Sequence[str], seconds: float) -> bool:
        """Whether these tests pass within so many seconds."""
        command = [str(self.python), "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
        try:
            done = subprocess.run(
                command, cwd=self.root, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds
            )
        except subprocess.TimeoutExpired:  # it hangs: that is noticed
            return False
        return done.returncode == 0
