"""Where a contender does its steps: a sealed repository of its own, or a bare folder for a tool that needs none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.models import Model, ModelVersion
from benchmarks.results import LFS, OURS
from tests.sandbox import Sandbox, environment

FILE_NAME = "model.safetensors"
_FILTERS = {OURS: "theta", LFS: "lfs"}


def seal_environment(home: Path) -> None:
    """From here on this process, and all that it starts, knows no Git configuration but that of ``home`` (made here).

    Both filters are installed in it, as a person installs them: for every repository.
    """
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]
    os.environ.update(environment(home))
    for install in ([sys.executable, "-m", "git_theta", "install"], ["git", "lfs", "install", "--skip-repo"]):
        subprocess.run(install, cwd=home, check=True, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Stage:
    """One contender's folder in one round.

    Attributes:
        folder: holds ``repository`` and whatever else the steps write.
        model: the versions to work with.
    """

    folder: Path
    model: Model

    @classmethod
    def create(cls, folder: Path, contender: str, model: Model) -> Stage:
        """A new repository, in which the contender's filter has the checkpoints; plain for one that has no filter."""
        folder.mkdir(parents=True)
        stage = cls(folder, model)
        Sandbox.create(stage.root, install=False)
        if found := _FILTERS.get(contender):
            stage.repository.write(
                ".gitattributes", f"*.safetensors filter={found} diff={found} merge={found} -text\n".encode()
            )
        stage.repository.git("add", "--all")
        stage.commit()
        return stage

    @property
    def root(self) -> Path:
        """Top of the worktree."""
        return self.folder / "repository"

    @property
    def repository(self) -> Sandbox:
        """The repository."""
        return Sandbox(self.root)

    def placed(self, source: Path) -> Path:
        """Where a file of the checkpoint stands in the worktree."""
        return self.root / (source.name if source.parent in self.model.files.values() else FILE_NAME)

    def stage_of(self, contender: str) -> Stage:
        """The stage of another contender, in the same round."""
        return Stage(self.folder.parent / contender, self.model)

    def commit(self) -> None:
        """Commit what the index holds."""
        self.repository.git("commit", "--quiet", "--allow-empty", "-m", "a step")

    def branch_versions(self) -> None:
        """Commit every version on a branch of its own that comes from ``base``."""
        self.repository.git("checkout", "--quiet", "-b", "base")
        for version in self.model.files:
            if version != "base":
                self.repository.git("checkout", "--quiet", "-b", version, "base")
            self.place_version(version)
            self.repository.git("add", "--all")
            self.commit()

    def place_version(self, version: ModelVersion) -> None:
        """Put a version into the worktree, as old as no other. A copy: a link would tell the other contenders' Gits."""
        for source in self.model.sources(version):
            self.placed(source).unlink(missing_ok=True)
            shutil.copyfile(source, self.placed(source))
        self._backdate(days=10 + list(self.model.files).index(version))

    def touch(self) -> None:
        """Give the checkpoint a time that it never had."""
        self._backdate(days=9)

    def _backdate(self, days: int) -> None:
        """Far enough back that Git need not doubt it, and in steps that it sees: it may compare seconds alone."""
        then = time.time() - days * 86400
        for source in self.model.sources("base"):
            os.utime(self.placed(source), (then, then))

    def stored_bytes(self) -> int:
        """Bytes of all files under every ``.git`` in the folder."""
        return sum(
            file.lstat().st_size for git in self.folder.glob("*/.git") for file in git.rglob("*") if file.is_file()
        )
